"""`tools/bench codec`: microseconds to read a request and to write a response.

The generated codec on both builds, against protobuf's C implementation (upb), which only the GIL
build can load, and against its pure-Python one on both.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .errors import BenchError
from .report import Aim, Plot, Section, Table
from .spread import Spread, ratios, rotated

OURS: Final = "generated, free-threaded"
UPB: Final = "protobuf upb, GIL"
AIMED: Final = ("decode request, small", "encode response, small")
WITH_JSON: Final = ("request to arguments, small", "value to response, small")

_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Arm:
    """One codec on one interpreter."""

    name: str
    kind: str
    implementation: str
    gil: bool
    codec: str
    """As the worker names it."""


ARMS: Final = (
    Arm(OURS, "ours", "", False, "generated"),
    Arm("generated, GIL", "ours", "", True, "generated"),
    Arm(UPB, "protobuf", "upb", True, "upb"),
    Arm("protobuf pure Python, GIL", "protobuf", "python", True, "python"),
    Arm("protobuf pure Python, free-threaded", "protobuf", "python", False, "python"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecResult:
    """Microseconds by arm and step, one a round."""

    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def steps(self) -> list[str]:
        return list(next(iter(self.rounds.values()))[0])

    def figures(self, name: str, step: str) -> list[float]:
        return [each[step] for each in self.rounds[name]]

    def spread(self, name: str, step: str) -> Spread:
        return Spread.of(self.figures(name, step))

    def section(self, command: str) -> Section:
        """Everything, as it is shown."""
        steps = self.steps()
        rows = [
            (step, *(self.spread(name, step).format(".2f") for name in self.rounds))
            for step in steps
        ]
        return Section(
            name="codec",
            title="The codec",
            command=command,
            notes=(
                "Microseconds. decode: octets to a message whose fields have been read into Python"
                " values; encode: Python values to octets; no JSON in either. Arguments and value:"
                " the same with the JSON in the messages, as a server needs it. A request of 177"
                " bytes or 4 KiB with two parameters, a response with as much.",
            ),
            tables=[Table(title="", columns=("us", *self.rounds), rows=rows)],
            plots=[
                Plot(
                    title="a small call's messages",
                    unit="us",
                    categories=AIMED + WITH_JSON,
                    # The pure-Python ones would leave no room for the others.
                    series={
                        arm.name: [self.spread(arm.name, step) for step in AIMED + WITH_JSON]
                        for arm in ARMS
                        if arm.codec != "python"
                    },
                )
            ],
            aims=[
                Aim(
                    measure=f"{label}, {OURS}: time over {UPB}",
                    value=Spread.of(ratios(self._sum(OURS, steps), self._sum(UPB, steps))),
                    aim=1.0,
                    at_most=True,
                )
                for label, steps in (
                    ("decode and encode a small call", AIMED),
                    ("the same with its JSON", WITH_JSON),
                )
            ],
            data=self.rounds,
        )

    def _sum(self, name: str, steps: tuple[str, ...]) -> list[float]:
        return [sum(each[step] for step in steps) for each in self.rounds[name]]


def run(
    python: Path, gil_python: Path, *, rounds: int, root: Path, progress: Callable[[str], None]
) -> CodecResult:
    """Every codec in every round, each in a process of its own.

    Raises:
        BenchError: one failed, or is not what was asked for.
    """
    result = CodecResult(rounds={arm.name: [] for arm in ARMS})
    for turn in range(rounds):
        for arm in rotated(ARMS, turn):
            progress(f"round {turn + 1} of {rounds}: {arm.name}")
            found = _worker(gil_python if arm.gil else python, arm, root)
            if found["codec"] != arm.codec or found["gil"] is not arm.gil:
                raise BenchError(f"{arm.name} ran {found['codec']} with gil={found['gil']}")
            result.rounds[arm.name].append(found["us"])
    return result


def _worker(python: Path, arm: Arm, root: Path) -> dict[str, Any]:
    environment = dict(os.environ)
    if arm.implementation:
        environment["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = arm.implementation
    try:
        done = subprocess.run(
            [str(python), "-m", "tools.bench_lib.codec_worker", arm.kind],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{arm.name} did not end within {_TIMEOUT_SECONDS} s") from None
    if done.returncode:
        raise BenchError(f"{arm.name} failed: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
