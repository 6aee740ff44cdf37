"""`tools/bench startup`: from the start of a process to its first answered call.

A caller waits that long when a server is started or restarted. The clock starts before the process
and stops when a small call has been answered; what a part of it takes, `python -X importtime` and
the interpreter's own start tell.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .client import Client
from .contenders import Contender
from .errors import BenchError
from .names import OURS, TWIN
from .processes import environment, running
from .request import echo_request
from .spread import rotated
from .startup_result import TOP_IMPORTS, StartupResult, import_times

_LIFE_SECONDS = 60.0
_TIMEOUT_SECONDS = 60


def run(
    contenders: Sequence[Contender],
    *,
    rounds: int,
    parallel: bool,
    root: Path,
    progress: Callable[[str], None],
) -> StartupResult:
    """Every contender in every round, after one start each that fills the caches.

    Args:
        parallel: whether the machine is quiet enough for the aim to be judged.

    Raises:
        BenchError: a server failed.
    """
    result = StartupResult(names=tuple(each.name for each in contenders), parallel=parallel)
    for contender in contenders:
        _start(contender, root)
    for turn in range(rounds):
        progress(f"round {turn + 1} of {rounds}")
        for contender in rotated(contenders, turn):
            wall, cpu = _start(contender, root)
            result.seconds.setdefault(contender.name, []).append(wall)
            result.cpu.setdefault(contender.name, []).append(cpu)
            if contender.name in (OURS, TWIN):
                bare = _timed([contender.command[0], "-c", "pass"], root)
                result.bare.setdefault(contender.name, []).append(bare)
    ours = next((each for each in contenders if each.name == OURS), None)
    if ours is not None:
        found = import_times(_importtime(ours, root))
        result.imports.update(sorted(found.items(), key=lambda item: -item[1]))
        return StartupResult(
            names=result.names,
            parallel=parallel,
            seconds=result.seconds,
            cpu=result.cpu,
            bare=result.bare,
            imports=dict(list(result.imports.items())[: 5 * TOP_IMPORTS]),
            imported_us=sum(found.values()),
        )
    return result


def _start(contender: Contender, root: Path) -> tuple[float, float]:
    """Seconds until the first answer, and of CPU time."""
    began = time.perf_counter()
    with (
        running(contender.command, name=contender.name, root=root, life_seconds=_LIFE_SECONDS) as s,
        Client(s.port, name=contender.name) as client,
    ):
        client.execute(echo_request())
        return time.perf_counter() - began, s.cpu_seconds()


def _timed(command: Sequence[str], root: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=root, env=environment(), check=True, timeout=_TIMEOUT_SECONDS)
    return time.perf_counter() - began


def _importtime(contender: Contender, root: Path) -> str:
    python, *rest = contender.command
    command = ["timeout", "-k", "5", "20", python, "-X", "importtime", *rest]
    # Ends by itself: it is told of a port that it cannot have, after everything was imported.
    listen = command.index("--listen")
    command[listen + 1] = "256.0.0.1:1"
    done = subprocess.run(
        command,
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if "ftbridge" not in done.stderr:
        raise BenchError(f"{contender.name} told no import times: {done.stderr[-500:]}")
    return done.stderr
