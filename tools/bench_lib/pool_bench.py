"""`tools/bench pool`: waiting calls through a host's pool, one at a time for each worker or not.

The host is the tests' stand-in, which queues as the real one does: one call at a time for each of
its workers. With the parallel module, or with many launches that share a server, one process runs
them all at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BenchError
from .memory_bench import ADAPTER, SCRIPT
from .report import Plot, Section, Table
from .spread import Spread, ratios, rotated

QUEUED = "one worker, the host's queue"
PARALLEL = "one worker, parallel module"
LAUNCHES = "as many launches, --shared"
ARMS = (QUEUED, PARALLEL, LAUNCHES)

STAND_IN = Path("tests/hosts/pool_stand_in.py")
_LIFE_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolResult:
    """Seconds for all calls, by arm and round."""

    calls: int
    seconds: float
    rounds: dict[str, list[float]] = field(default_factory=lambda: {arm: [] for arm in ARMS})

    def section(self, command: str) -> Section:
        """Seconds, and times the host's queue in the same round."""
        spreads = {arm: Spread.of(self.rounds[arm]) for arm in ARMS}
        return Section(
            name="pool",
            title=f"{self.calls} calls that wait {self.seconds:g} s, through a host's pool",
            command=command,
            notes=("The host is the tests' stand-in, which queues as Snakepit's pool does.",),
            tables=[
                Table(
                    title="",
                    columns=("pool", "seconds", f"times as fast as {QUEUED}"),
                    rows=[
                        (
                            arm,
                            spread.format(".2f"),
                            Spread.of(ratios(self.rounds[QUEUED], self.rounds[arm])).format(".1f"),
                        )
                        for arm, spread in spreads.items()
                    ],
                )
            ],
            plots=[
                Plot(
                    title="all calls",
                    unit="s",
                    categories=("seconds",),
                    series={arm: [spread] for arm, spread in spreads.items()},
                )
            ],
            data=self.as_json(),
        )

    def as_json(self) -> dict[str, object]:
        return {"calls": self.calls, "tool_seconds": self.seconds, "wall_seconds": self.rounds}


def run(python: Path, *, calls: int, seconds: float, rounds: int, root: Path) -> PoolResult:
    """Measure all arms in each round. Raises BenchError when a pool does not come up."""
    result = PoolResult(calls=calls, seconds=seconds)
    for turn in range(rounds):
        for arm in rotated(ARMS, turn):
            result.rounds[arm].append(_burst(python, arm, calls, seconds, root))
    return result


def _burst(python: Path, arm: str, calls: int, seconds: float, root: Path) -> float:
    arguments = ["--adapter", ADAPTER, "--threads", str(calls)]
    if arm == LAUNCHES:
        arguments.append("--shared")
    boot = {
        "do": "boot",
        "workers": calls if arm == LAUNCHES else 1,
        "command": [str(python), str(root / SCRIPT)],
        "arguments": arguments,
        "parallel": arm == PARALLEL,
    }
    burst = {"do": "burst", "tool": "wait", "params": {"seconds": seconds}, "count": calls}
    warm = {"do": "burst", "tool": "process_id", "count": calls}
    states, _, answer = _orders([boot, warm, burst], root)
    if any(state != "up" for state in states):
        raise BenchError(f"{arm}: the workers are {states}")
    wrong = [found for found in answer["answers"] if "ok" not in found]
    if wrong:
        raise BenchError(f"{arm}: a call failed: {wrong[0]}")
    return float(answer["seconds"])


def _orders(orders: Sequence[dict[str, Any]], root: Path) -> list[Any]:
    """Start the stand-in, give it the orders in turn, and have its answers."""
    paths = [str(root), str(root / "locks")]
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
        done = subprocess.run(
            [sys.executable, str(root / STAND_IN)],
            input="".join(json.dumps(order) + "\n" for order in orders),
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "TMPDIR": folder,
                "XDG_RUNTIME_DIR": folder,
            },
            stdout=subprocess.PIPE,
            text=True,
            timeout=_LIFE_SECONDS,
            check=False,
        )
    lines = [json.loads(line) for line in done.stdout.splitlines()][1:]  # the first has the port
    if len(lines) < len(orders) or any("error" in line for line in lines):
        raise BenchError(f"the stand-in host failed: {lines[-1:] or done.returncode}")
    return [line["ok"] for line in lines]
