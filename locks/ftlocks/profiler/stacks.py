"""A profile for flame graphs: collapsed stacks and speedscope.

Both weigh a stack by waiting: where threads waited, or, the other way round, where locks were held
that others waited for. The innermost entry is the lock. Must never drop a stack, however small: the
sums must agree with the table.
"""

import json
from collections.abc import Iterable, Iterator
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
    return speedscope_document(
        profile.title,
        [
            (
                name,
                [
                    ((*reversed(stack), Frame(f"[{label}]", "", 0)), ns)
                    for label, stack, ns in found
                ],
            )
            for name, found in (
                ("waiting for locks", waits(profile)),
                ("holding up others", holders(profile)),
            )
        ],
        exporter="ftlocks",
    )


def speedscope_document(
    title: str,
    profiles: Iterable[tuple[str, Iterable[tuple[Iterable[Frame], int]]]],
    *,
    exporter: str,
) -> str:
    """A speedscope file of any profiles: a name, and stacks (outermost first) with nanoseconds.

    A frame without a file stands for something that is no place in a program.
    """
    frames: dict[Frame, int] = {}
    told: list[dict[str, Any]] = []
    for name, stacks in profiles:
        samples, weights = [], []
        for stack, ns in stacks:
            samples.append([frames.setdefault(frame, len(frames)) for frame in stack])
            weights.append(ns)
        told.append(
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
            "name": title,
            "exporter": exporter,
            "activeProfileIndex": 0,
            "shared": {
                "frames": [
                    {"name": name, **({"file": file, "line": line} if file else {})}
                    for name, file, line in frames
                ]
            },
            "profiles": told,
        }
    )
