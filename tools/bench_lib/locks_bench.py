"""`tools/bench locks`: what locks cost, with the contention profile off and on, on both builds.

Uncontended use of each primitive that `threading` has too, against that one in the same round, in
CPU time; how guarded additions scale from one thread to two, shared, striped and sharded, beside
two processes with a lock each; and the small calls a second of a served adapter that takes a lock
in each, profiled against not profiled.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from . import locks_round, rpc_bench
from .contenders import Contender, ftbridge
from .errors import BenchError
from .locks_result import PLAIN, PROFILED, LocksResult
from .rpc_result import Point

POINT = Point(workload="small", connections=2, streams=16)
SECONDS = 0.5
"""Of each measurement of a server."""
_ADAPTER = "tools.bench_lib.locked_adapter:LockedAdapter"


def run(
    python: Path,
    gil_python: Path,
    *,
    rounds: int,
    served: bool,
    parallel: bool,
    root: Path,
    progress: Callable[[str], None],
) -> LocksResult:
    """Both builds in turn in each round, then the servers.

    Args:
        served: whether to measure the served adapter, which takes h2load.
        parallel: whether the control allows parallel figures.

    Raises:
        BenchError: a process failed, or is not of the build that was asked for.
    """
    result = LocksResult(parallel=parallel)
    builds = {"3.13t": (python, False), "GIL": (gil_python, True)}
    for turn in range(rounds):
        for name, (interpreter, gil) in builds.items():
            progress(f"round {turn + 1} of {rounds}: {name}")
            found = locks_round.measure(interpreter, root)
            if found["gil"] is not gil:
                state = "on" if found["gil"] else "off"
                raise BenchError(f"{interpreter} runs with the GIL {state}")
            result.rounds.setdefault(name, []).append(found)
    if served:
        with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
            rates = rpc_bench.run(
                _servers(python, Path(folder)),
                points=(POINT,),
                rounds=rounds,
                seconds=SECONDS,
                parallel=parallel,
                root=root,
                progress=progress,
            )
        result.rates.update({n: rates.figures(POINT, n, "rate") for n in (PLAIN, PROFILED)})
    return result


def _servers(python: Path, folder: Path) -> tuple[Contender, ...]:
    plain = ftbridge(PLAIN, python, threads=4, gil=False, adapter=_ADAPTER)
    report = f"--profile-locks={folder / 'locks.json'}"
    return (plain, Contender(name=PROFILED, command=(*plain.command, report), gil=False))
