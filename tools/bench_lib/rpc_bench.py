"""`tools/bench rpc`: calls a second, latencies, CPU time and memory of each server.

Calls of `ExecuteTool` with a small message, 4 KiB and 1 MiB, server streaming, and a mix of all.
All servers run during a round and are measured in turn at each point of the matrix, so that two
figures of one point are seconds apart.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import h2load
from .bodies import Bodies
from .client import Answer
from .contenders import Contender, Served, served
from .errors import BenchError
from .matrix import MIX
from .processes import lifetime
from .rpc_result import MIXED, Point, RpcResult, Sample
from .spread import rotated
from .workloads import SMALL, WORKLOADS, Workload

_BY_NAME: Final = {workload.name: workload for workload in WORKLOADS}


def run(
    contenders: Sequence[Contender],
    *,
    points: Sequence[Point],
    rounds: int,
    seconds: float,
    parallel: bool,
    root: Path,
    progress: Callable[[str], None],
) -> RpcResult:
    """Every contender, fresh, in every round; one that is no gRPC server with small calls only.

    Args:
        seconds: of each measurement.
        parallel: whether the control found a second core; without it no aim is judged.

    Raises:
        BenchError: a server or a call failed.
    """
    names = tuple(contender.name for contender in contenders)
    result = RpcResult(names=names, points=tuple(points), parallel=parallel)
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
        bodies = Bodies(Path(folder))
        life = lifetime(len(points) * len(contenders), seconds)
        for turn in range(rounds):
            with ExitStack() as stack:
                servers = [
                    stack.enter_context(served(contender, root=root, life_seconds=life))
                    for contender in contenders
                ]
                for number, point in enumerate(points):
                    progress(f"round {turn + 1} of {rounds}: {point}")
                    for server in rotated(servers, turn + number):
                        if not server.contender.grpc and point.workload != SMALL.name:
                            continue
                        take = functools.partial(measure, server, point, bodies)
                        try:
                            sample = h2load.patiently(take, seconds)
                        except BenchError as error:
                            raise BenchError(f"{server.name}, {point}: {error}") from None
                        result.samples.setdefault((point, server.name), []).append(sample)
    return result


def measure(server: Served, point: Point, bodies: Bodies, seconds: float) -> Sample:
    """One run, after a warm-up.

    Raises:
        BenchError: a call went wrong, or answers differ before and after.
    """
    if point.workload == MIXED:
        parts = [Part.of(server, bodies, *each) for each in MIX]
    else:
        workload = _BY_NAME[point.workload]
        parts = [Part.of(server, bodies, workload, point.connections, point.streams)]
    h2load.run(
        *(part.for_seconds(h2load.WARM_UP_SECONDS) for part in parts),
        least_bytes=[None] * len(parts),
    )
    before = server.server.cpu_seconds()
    found = _run(parts, seconds)
    spent = server.server.cpu_seconds() - before
    for part in parts:
        part.check(server)
    done = sum(each.report.done for each in found)
    first = found[0]  # of a mix, the small calls' latencies: they are what the others disturb
    return Sample(
        rate=sum(each.report.rate for each in found),
        p50_ms=first.percentile(50),
        p99_ms=first.percentile(99),
        p999_ms=first.percentile(99.9),
        cpu_us=spent / done * 1e6,
        rss_mib=server.server.resident_mib(),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A workload, who gets it, and what a right answer is."""

    workload: Workload
    load: tuple[int, Path, int, int]
    answer: Answer | None

    @classmethod
    def of(
        cls, server: Served, bodies: Bodies, workload: Workload, connections: int, streams: int
    ) -> Part:
        answer = server.client.answer(workload) if server.contender.grpc else None
        load = (server.port, bodies.of(workload), connections, streams)
        return cls(workload, load, answer)

    def for_seconds(self, seconds: float) -> h2load.Load:
        port, body, connections, streams = self.load
        return h2load.Load(
            port=port,
            path=self.workload.path,
            body=body,
            connections=connections,
            streams=streams,
            seconds=seconds,
        )

    @property
    def least_bytes(self) -> int:
        return 0 if self.answer is None else self.answer.least_bytes

    def check(self, server: Served) -> None:
        """Raises:
        BenchError: the server does not answer as it did before.
        """
        if self.answer and server.client.answer(self.workload).values != self.answer.values:
            raise BenchError(f"{server.name} answers {self.workload.name} otherwise than before")


def _run(parts: Iterable[Part], seconds: float) -> list[h2load.Measured]:
    parts = list(parts)
    return h2load.run(
        *(part.for_seconds(seconds) for part in parts),
        least_bytes=[part.least_bytes for part in parts],
    )
