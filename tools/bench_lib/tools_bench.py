"""`tools/bench tools`: calls a second of tools that compute, wait, or share a lock.

Arithmetic in three sizes, the example adapter's analysis of a source file, method calls, numpy, a
wait, and a hot lock; on every server, with so many callers, and in the incumbent's arrangement: a
process for each caller, which runs one call at a time.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from . import h2load
from .bodies import Bodies
from .contenders import Contender, Served, served
from .errors import BenchError
from .names import PROCESSES
from .processes import lifetime
from .spread import rotated
from .tools_result import Sample, ToolsResult
from .workloads import TOOLS, Workload


def run(
    contenders: Sequence[Contender],
    single: Contender,
    *,
    tools: Sequence[Workload] = TOOLS,
    callers: int,
    rounds: int,
    seconds: float,
    parallel: bool,
    root: Path,
    progress: Callable[[str], None],
) -> ToolsResult:
    """Every contender, fresh, in every round.

    Args:
        single: the server of which each caller of the incumbent's arrangement has one.
        callers: calls under way at any time.
        parallel: whether the control allows aims to be judged.

    Raises:
        BenchError: a server or a call failed, or an answer changed.
    """
    names = (*(contender.name for contender in contenders), PROCESSES)
    result = ToolsResult(names=names, tools=tuple(tools), callers=callers, parallel=parallel)
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
        bodies = Bodies(Path(folder))
        longest = max(seconds, *(tool.least_seconds for tool in tools))
        life = lifetime(len(tools) * len(names), longest)
        for turn in range(rounds):
            with ExitStack() as stack:

                def start(contender: Contender, stack: ExitStack = stack) -> Served:
                    arm = served(contender, root=root, life_seconds=life)
                    return stack.enter_context(arm)

                arms = [(contender.name, [start(contender)]) for contender in contenders]
                arms.append((PROCESSES, [start(single) for _ in range(callers)]))
                for number, tool in enumerate(tools):
                    progress(f"round {turn + 1} of {rounds}: {tool.title}")
                    for name, servers in rotated(arms, turn + number):
                        try:
                            take = functools.partial(_measure, servers, tool, callers, bodies)
                            sample = h2load.patiently(take, seconds)
                        except BenchError as error:
                            raise BenchError(f"{name}, {tool.name}: {error}") from None
                        result.samples.setdefault((tool.name, name), []).append(sample)
    return result


def _measure(
    servers: Sequence[Served], tool: Workload, callers: int, bodies: Bodies, seconds: float
) -> Sample:
    """All callers on one connection; or, with a server for each, one call at a time on each."""
    answers = [server.client.answer(tool) for server in servers]
    loads = [
        h2load.Load(
            port=server.port,
            path=tool.path,
            body=bodies.of(tool),
            connections=1,
            streams=callers // len(servers),
            seconds=max(seconds, tool.least_seconds),
        )
        for server in servers
    ]
    least = [answer.least_bytes for answer in answers]
    warm_up = [replace(load, seconds=h2load.WARM_UP_SECONDS) for load in loads]
    h2load.run(*warm_up, least_bytes=[None] * len(loads))
    before = sum(server.server.cpu_seconds() for server in servers)
    found = h2load.run(*loads, least_bytes=least)
    spent = sum(server.server.cpu_seconds() for server in servers) - before
    for server, answer in zip(servers, answers, strict=True):
        if tool.steady and server.client.answer(tool).values != answer.values:
            raise BenchError("it answers otherwise than before")
    times = sorted(time for each in found for time in each.times)
    merged = h2load.Measured(report=found[0].report, times=times)
    return Sample(
        rate=sum(each.report.rate for each in found),
        p50_ms=merged.percentile(50),
        p99_ms=merged.percentile(99),
        cpu_us=spent / len(times) * 1e6,
        rss_mib=sum(server.server.resident_mib() for server in servers),
    )
