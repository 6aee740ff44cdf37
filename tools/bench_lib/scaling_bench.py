"""`tools/bench scaling`: what each further core and thread gives, and what takes the rest.

A server is held to 1, 2, ... of the cores (taskset), with as many handler threads, and given tools
that compute. What is missing of k times the rate on one core has two causes that the kernel's
counts tell apart: cores that were not used (someone waited), and calls that took more CPU time
each (caches, reference counts, locks spun on, the load generator's own use of the cores). Who
waited for which lock, the lock profile says; where the CPU time went, perf, where it is installed
and allowed.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from . import h2load
from .bodies import Bodies
from .contenders import HEAVY_ADAPTER, Contender, Served, ftbridge, served
from .errors import BenchError
from .names import OURS, TWIN
from .processes import lifetime
from .profiles import lock_lines, perf_lines
from .scaling_result import Limits, Sample, ScalingResult
from .spread import rotated
from .workloads import SMALL, TOOLS, Workload

SCALED: Final = (
    SMALL,
    *(tool for tool in TOOLS if tool.name in ("burn-1ms", "analysis", "methods", "hot")),
)
STREAMS: Final = 16
TOP: Final = 8
"""Of the places that perf and the lock profile name."""


def run(
    python: Path,
    gil_python: Path,
    *,
    tools: Sequence[Workload] = SCALED,
    cores: Sequence[int],
    rounds: int,
    seconds: float,
    parallel: bool,
    root: Path,
    progress: Callable[[str], None],
) -> ScalingResult:
    """Both builds at every count of cores, fresh, in every round; then the profiles.

    Args:
        cores: which the servers may use, the first k of them at a time.
        parallel: whether the control allows parallel figures to be judged.

    Raises:
        BenchError: a server or a call failed.
    """
    counts = range(1, len(cores) + 1)
    arms = [
        (name, count, _arm(name, interpreter, cores[:count]))
        for count in counts
        for name, interpreter in ((OURS, python), (TWIN, gil_python))
    ]
    result = ScalingResult(
        names=(OURS, TWIN), tools=tuple(tools), cores=tuple(counts), parallel=parallel
    )
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as name:
        folder = Path(name)
        bodies = Bodies(folder)
        life = lifetime(len(tools) * len(arms), max(seconds, 2.0))
        for turn in range(rounds):
            with ExitStack() as stack:
                servers = [
                    (name, count, stack.enter_context(served(arm, root=root, life_seconds=life)))
                    for name, count, arm in arms
                ]
                for number, tool in enumerate(tools):
                    progress(f"round {turn + 1} of {rounds}: {tool.title}")
                    for name, count, server in rotated(servers, turn + number):
                        take = functools.partial(_measure, server, tool, bodies, count)
                        try:
                            sample = h2load.patiently(take, seconds)
                        except BenchError as error:
                            where = f"{name}, {tool.name}, {count} cores"
                            raise BenchError(f"{where}: {error}") from None
                        result.samples.setdefault((tool.name, name, count), []).append(sample)
        for tool in tools:
            progress(f"what limits: {tool.title}")
            result.limits[tool.name] = _limits(python, tool, cores, bodies, seconds, root, folder)
    return result


def usable_cores() -> tuple[int, ...]:
    """Those this process may run on."""
    return tuple(sorted(os.sched_getaffinity(0)))


def _arm(name: str, python: Path, cores: Sequence[int], *more: str) -> Contender:
    """On these cores; alone on one, a second thread would only take turns with the first."""
    plain = ftbridge(name, python, threads=len(cores), gil=name == TWIN, adapter=HEAVY_ADAPTER)
    pinned = ("taskset", "-c", ",".join(map(str, cores)))
    return replace(plain, command=(*pinned, *plain.command, *more))


def _load(server: Served, tool: Workload, bodies: Bodies, seconds: float) -> h2load.Load:
    return h2load.Load(
        port=server.port,
        path=tool.path,
        body=bodies.of(tool),
        connections=4,
        streams=STREAMS // 4,
        seconds=seconds,
    )


def _measure(server: Served, tool: Workload, bodies: Bodies, cores: int, seconds: float) -> Sample:
    least = [server.client.answer(tool).least_bytes]
    seconds = max(seconds, tool.least_seconds)
    load = _load(server, tool, bodies, seconds)
    h2load.run(replace(load, seconds=h2load.WARM_UP_SECONDS), least_bytes=[None])
    before = server.server.cpu_seconds()
    [found] = h2load.run(load, least_bytes=least)
    spent = server.server.cpu_seconds() - before
    report = found.answered()
    return Sample(
        rate=report.rate,
        cpu_us=spent / report.done * 1e6,
        used=spent / (seconds * cores),
    )


def _limits(
    python: Path,
    tool: Workload,
    cores: Sequence[int],
    bodies: Bodies,
    seconds: float,
    root: Path,
    folder: Path,
) -> Limits:
    """Once more on all cores, with the lock profile, and with perf beside it."""
    report = folder / f"locks-{tool.name}.json"
    arm = _arm(OURS, python, cores, f"--profile-locks={report}")
    with served(arm, root=root, life_seconds=lifetime(3, seconds)) as server:
        least = [server.client.answer(tool).least_bytes]
        h2load.run(_load(server, tool, bodies, h2load.WARM_UP_SECONDS), least_bytes=[None])
        recorded = _record(server, seconds, folder)
        h2load.run(_load(server, tool, bodies, seconds), least_bytes=least)
        symbols = _symbols(recorded, folder)
    profile: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    return Limits(
        locks=tuple(lock_lines(profile)[:TOP]),
        symbols=tuple(symbols[:TOP]),
        perf=recorded is not None and bool(symbols),
    )


def _record(server: Served, seconds: float, folder: Path) -> subprocess.Popen[bytes] | None:
    perf = shutil.which("perf")
    pids = ",".join(map(str, server.server.pids()))
    if perf is None or not pids:
        return None
    command = [perf, "record", "-q", "-e", "cpu-clock", "-F", "999", "-o", str(folder / "perf")]
    # The time is perf's own; the load runs beside it.
    return subprocess.Popen(
        [*command, "-p", pids, "--", "sleep", f"{seconds:.1f}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _symbols(recorded: subprocess.Popen[bytes] | None, folder: Path) -> list[tuple[str, float]]:
    """What perf saw, by function: name with its file, percent of the CPU time."""
    if recorded is None:
        return []
    try:
        recorded.wait(30)
    except subprocess.TimeoutExpired:
        recorded.kill()
        recorded.wait()
        return []
    done = subprocess.run(
        ["perf", "report", "-i", str(folder / "perf"), "--stdio", "--sort", "dso,symbol"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return perf_lines(done.stdout)
