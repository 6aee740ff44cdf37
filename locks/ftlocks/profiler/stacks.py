"""A profile for flame graphs: collapsed stacks and speedscope.

Both weigh a stack by waiting: where threads waited, or, the other way round, where locks were held
that others waited for. The innermost entry is the lock. Must never drop a stack, however small: the
sums must agree with the table.
"""

import json
from collections.abc import Iterator
from typing import Any

from ftlocks._sites import Frame
from ftlocks.profiler.report import Profile

# https://www.speedscope.app/file-format-schema.json
SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def waits(profile: Profile) -> Iterator[tuple[str, tuple[Frame, ...], int]]:
    """Lock, stack (innermost first) and nanoseconds waited there."""
    for lock in profile.locks:
        for place in lock.places:
            if place.waiting_ns:
                yield lock.label, place.stack, place.waiting_ns


def holders(profile: Profile) -> Iterator[tuple[str, tuple[Frame, ...], int]]:
    """Lock, stack (innermost first) that let it go, and nanoseconds that others had waited."""
    for lock in profile.locks:
        for holder in lock.holders:
            if holder.waited_ns:
                yield lock.label, holder.stack, holder.waited_ns


def collapsed(profile: Profile) -> str:
    """One line a stack, outermost first, with microseconds waited: input of flame graph tools.

    The first entry tells waiting from holding up others.
    """
    lines = []
    for kind, found in (("waiting", waits(profile)), ("holding up others", holders(profile))):
        for label, stack, ns in found:
            names = [kind, *[str(frame) for frame in reversed(stack)], f"[{label}]"]
            path = ";".join(name.replace(";", ",") for name in names)
            lines.append(f"{path} {max(1, round(ns / 1000))}\n")
    return "".join(lines)


def speedscope(profile: Profile) -> str:
    """A speedscope file with two profiles: where threads waited, and who held them up."""
    frames: dict[tuple[str, str, int], int] = {}

    def numbered(name: str, file: str, line: int) -> int:
        return frames.setdefault((name, file, line), len(frames))

    profiles: list[dict[str, Any]] = []
    for name, found in (
        ("waiting for locks", waits(profile)),
        ("holding up others", holders(profile)),
    ):
        samples, weights = [], []
        for label, stack, ns in found:
            path = [numbered(each.function, each.file, each.line) for each in reversed(stack)]
            samples.append([*path, numbered(f"[{label}]", "", 0)])
            weights.append(ns)
        profiles.append(
            {
                "type": "sampled",
                "name": name,
                "unit": "nanoseconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        )
    return json.dumps(
        {
            "$schema": SPEEDSCOPE_SCHEMA,
            "name": profile.title,
            "exporter": "ftlocks",
            "activeProfileIndex": 0,
            "shared": {
                "frames": [
                    {"name": name, **({"file": file, "line": line} if file else {})}
                    for name, file, line in frames
                ]
            },
            "profiles": profiles,
        }
    )
