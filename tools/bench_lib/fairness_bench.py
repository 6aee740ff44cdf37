"""`tools/bench fairness`: who waits, and what is answered, when a server has too much to do.

Three things. Latency at half of the load that stock grpcio can take at most, the same for all. A
polite caller (one connection, 100 small calls a second) alone and beside a greedy one that keeps
100 calls under way. And answers within their deadline at twice the rate that the server reached
when nobody hurried it.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from . import h2load
from .bodies import Bodies
from .contenders import Contender, Served, served
from .errors import BenchError
from .fairness_result import (
    DEADLINE_MS,
    GREEDY_STREAMS,
    HALF,
    OVERLOAD,
    POLITE_RATE,
    FairnessResult,
    Sample,
)
from .names import BASE
from .processes import lifetime
from .spread import rotated
from .workloads import BURN, SMALL, Workload

_MEASUREMENTS: Final = 8
"""Of each contender in a round, warm-ups included."""

GREEDY: Final = {"small": SMALL, "burn": BURN}
"""What the greedy one calls."""

_TIME_BYTES: Final = 2
"""Of the answer's time in milliseconds, which `least_bytes` leaves out."""


def run(
    contenders: Sequence[Contender],
    *,
    rounds: int,
    seconds: float,
    parallel: bool,
    root: Path,
    progress: Callable[[str], None],
) -> FairnessResult:
    """Every contender, fresh, in every round; the first thing is the base's peak.

    Raises:
        BenchError: a server or a call failed, or the base is not among the contenders.
    """
    names = tuple(contender.name for contender in contenders)
    if BASE not in names:
        raise BenchError(f"fairness is measured at half the load of {BASE}, which is not there")
    result = FairnessResult(names=names, parallel=parallel)
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
        bodies = Bodies(Path(folder))
        life = lifetime(_MEASUREMENTS * len(contenders), seconds)
        for turn in range(rounds):
            with ExitStack() as stack:
                servers = [
                    stack.enter_context(served(contender, root=root, life_seconds=life))
                    for contender in contenders
                ]
                base = next(server for server in servers if server.name == BASE)
                loads = _Loads(base, bodies)
                loads.warm_up(SMALL)
                rate = HALF * loads.closed(SMALL, seconds).answered().rate
                result.half_rates.append(rate)
                for server in rotated(servers, turn):
                    progress(f"round {turn + 1} of {rounds}: {server.name}")
                    try:
                        take = functools.partial(_measure, _Loads(server, bodies), rate)
                        sample = h2load.patiently(take, seconds)
                    except BenchError as error:
                        raise BenchError(f"{server.name}: {error}") from None
                    result.samples.setdefault(server.name, []).append(sample)
    return result


def _measure(loads: _Loads, rate: float, seconds: float) -> Sample:
    loads.warm_up(SMALL)
    half = loads.at(rate, seconds)
    alone = loads.polite(None, seconds)
    beside = {name: loads.polite(greedy, seconds) for name, greedy in GREEDY.items()}
    loads.warm_up(BURN)
    peak = loads.closed(BURN, seconds).answered().rate
    return Sample(
        half_p50=half.percentile(50),
        half_p99=half.percentile(99),
        half_p999=half.percentile(99.9),
        alone_p99=alone.percentile(99),
        beside_p99={name: measured.percentile(99) for name, measured in beside.items()},
        peak=peak,
        goodput=loads.goodput(OVERLOAD * peak, seconds),
    )


class _Loads:
    """The loads that one server gets."""

    def __init__(self, server: Served, bodies: Bodies) -> None:
        self._port = server.port
        self._bodies = bodies
        self._least = {each.name: server.client.answer(each).least_bytes for each in (SMALL, BURN)}

    def warm_up(self, workload: Workload) -> None:
        """As `closed`, a moment, and nobody looks at it."""
        load = self._load(workload, connections=4, streams=16, seconds=h2load.WARM_UP_SECONDS)
        h2load.run(load, least_bytes=[None])

    def closed(self, workload: Workload, seconds: float) -> h2load.Measured:
        """As fast as it answers, 4 connections with 16 calls each."""
        load = self._load(workload, connections=4, streams=16, seconds=seconds)
        return h2load.run(load, least_bytes=[self._least[workload.name]])[0]

    def at(self, rate: float, seconds: float) -> h2load.Measured:
        """Small calls at this rate."""
        load = self._load(SMALL, connections=4, streams=100, seconds=seconds, rate=rate)
        return h2load.run(load, least_bytes=[self._least[SMALL.name]])[0]

    def polite(self, greedy: Workload | None, seconds: float) -> h2load.Measured:
        """What the polite one sees."""
        load = self._load(SMALL, connections=1, streams=100, seconds=seconds, rate=POLITE_RATE)
        if greedy is None:
            return h2load.run(load, least_bytes=[self._least[SMALL.name]])[0]
        other = self._load(greedy, connections=1, streams=GREEDY_STREAMS, seconds=seconds)
        least = [self._least[SMALL.name], self._least[greedy.name]]
        return h2load.run(load, other, least_bytes=least)[0]

    def goodput(self, rate: float, seconds: float) -> float:
        """Answers a second within their deadline."""
        load = self._load(
            BURN,
            connections=8,
            streams=100,
            seconds=seconds,
            rate=rate,
            timeout=f"{DEADLINE_MS}m",
        )
        # A refused call has no message, so the bytes count the answers; h2load cannot tell which.
        [measured] = h2load.run(load, least_bytes=[None])
        answers = measured.report.data_bytes / (self._least[BURN.name] + _TIME_BYTES)
        in_time = sum(1 for micros in measured.times if micros <= DEADLINE_MS * 1000)
        return min(answers, in_time) / seconds

    def _load(
        self,
        workload: Workload,
        *,
        connections: int,
        streams: int,
        seconds: float,
        rate: float | None = None,
        timeout: str | None = None,
    ) -> h2load.Load:
        return h2load.Load(
            port=self._port,
            path=workload.path,
            body=self._bodies.of(workload),
            connections=connections,
            streams=streams,
            seconds=seconds,
            rate=rate,
            timeout=timeout,
        )
