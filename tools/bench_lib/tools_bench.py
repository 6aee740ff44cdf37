"""`tools/bench tools`: what calls of a CPU-bound tool gain from running at once.

Their sum is the time of the same calls, one after the other, on the same server: the time each
took while others ran beside it would make the sum larger, and the gain look better.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .client import Client
from .contenders import Contender, rotated, served
from .errors import BenchError
from .names import BASE, OURS, TWIN
from .request import execute_request
from .spread import Spread, ratios
from .work import spin

BATCHES = 5
"""Batches of calls in a round, of which the median counts."""

PING_INTERVAL_SECONDS = 0.005
"""Between two Pings: rare enough that they take no core away from what is measured."""

_LIFE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One contender in one round; times in milliseconds."""

    sum_ms: float
    wall_ms: float
    threads: int
    ping_median_ms: float
    ping_worst_ms: float

    @property
    def speed_up(self) -> float:
        return self.sum_ms / self.wall_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsResult:
    """Rounds by contender."""

    calls: int
    parallel: bool
    names: tuple[str, ...]
    rounds: dict[str, list[Round]] = field(default_factory=dict)

    def figures(self, name: str) -> dict[str, Spread]:
        """Every figure that may be given; without a second core, none of a parallel run."""
        rounds = self.rounds[name]
        figures = {
            "sum_ms": Spread.of([one.sum_ms for one in rounds]),
            "threads": Spread.of([one.threads for one in rounds]),
            "ping_median_ms": Spread.of([one.ping_median_ms for one in rounds]),
            "ping_worst_ms": Spread.of([one.ping_worst_ms for one in rounds]),
        }
        if self.parallel:
            figures |= {
                "wall_ms": Spread.of([one.wall_ms for one in rounds]),
                "speed_up": Spread.of([one.speed_up for one in rounds]),
                "against_base": self._faster(name, BASE),
                "against_twin": self._faster(name, TWIN),
            }
        return figures

    def without_parallel(self) -> ToolsResult:
        """The same, when the machine turned out to have had no second core to give."""
        return replace(self, parallel=False)

    def _faster(self, name: str, other: str) -> Spread:
        """How many times sooner than another the same calls are done."""
        theirs = [one.wall_ms for one in self.rounds[other]]
        return Spread.of(ratios(theirs, [one.wall_ms for one in self.rounds[name]]))

    def lines(self) -> list[str]:
        """A block for each contender."""
        out = []
        for name in self.names:
            figures = self.figures(name)
            out += ["", name]
            out.append(f"  {self.calls} calls in turn      {figures['sum_ms'].format('.1f')} ms")
            if self.parallel:
                wall, gain = figures["wall_ms"], figures["speed_up"]
                out.append(f"  {self.calls} calls at once      {wall.format('.1f')} ms")
                out.append(f"  gain                {gain.format('.2f')} times")
                if name != BASE:
                    against = figures["against_base"].format(".2f")
                    out.append(f"  at once, against    {against} times {BASE}")
                if name == OURS:
                    against = figures["against_twin"].format(".2f")
                    out.append(f"                      {against} times {TWIN}")
            out.append(f"  distinct threads    {figures['threads'].format()}")
            out.append(
                f"  Ping meanwhile      {figures['ping_median_ms'].format('.2f')} ms,"
                f" the slowest of a round {figures['ping_worst_ms'].format('.1f')} ms"
            )
        return out

    def as_json(self) -> list[dict[str, object]]:
        return [
            {"contender": name}
            | {key: spread.as_json() for key, spread in self.figures(name).items()}
            for name in self.names
        ]


def run(
    contenders: Sequence[Contender],
    *,
    rounds: int,
    calls: int,
    iterations: int,
    parallel: bool,
    root: Path,
    progress: Callable[[str], None],
) -> ToolsResult:
    """Every contender, fresh, in every round.

    Args:
        parallel: whether the control allows parallel figures.

    Raises:
        BenchError: a server or a call failed, or an answer was wrong.
    """
    expected = spin(iterations)
    names = tuple(contender.name for contender in contenders)
    result = ToolsResult(calls=calls, parallel=parallel, names=names)
    for turn in range(rounds):
        for contender in rotated(contenders, turn):
            progress(f"round {turn + 1} of {rounds}: {contender.name}")
            with (
                served(contender, root=root, life_seconds=_LIFE_SECONDS) as server,
                Client(server.port, name=contender.name) as pinger,
            ):
                load = _Load(server.client, calls=calls, iterations=iterations, expected=expected)
                result.rounds.setdefault(contender.name, []).append(_measure(load, pinger))
    return result


class _Load:
    """Calls of ``burn`` on one connection, each answer checked."""

    def __init__(self, client: Client, *, calls: int, iterations: int, expected: int) -> None:
        self._client = client
        self._calls = calls
        self._request = execute_request("burn", {"iterations": iterations})
        self._expected = expected

    def in_turn(self) -> float:
        """Milliseconds for all calls, one after the other."""
        started = time.perf_counter()
        for _ in range(self._calls):
            self._result(self._client.start(self._request))
        return (time.perf_counter() - started) * 1000

    def at_once(self) -> tuple[float, int]:
        """Milliseconds from the first call's start to the last one's end; distinct threads."""
        started = time.perf_counter()
        futures = [self._client.start(self._request) for _ in range(self._calls)]
        threads = {self._result(future) for future in futures}
        return (time.perf_counter() - started) * 1000, len(threads)

    def _result(self, future: object) -> int:
        answer = self._client.result(future, "burn")
        if answer["value"] != self._expected:
            raise BenchError(f"burn gave {answer['value']}, not {self._expected}")
        thread: int = answer["thread"]
        return thread


def _measure(load: _Load, pinger: Client) -> Round:
    load.at_once()  # warm-up
    pinger.ping()
    sums, walls, threads = [], [], []
    for _ in range(BATCHES):
        sums.append(load.in_turn())
        wall, count = load.at_once()
        walls.append(wall)
        threads.append(count)
    pings = _pings(load, pinger)
    return Round(
        sum_ms=statistics.median(sums),
        wall_ms=statistics.median(walls),
        threads=round(statistics.median(threads)),
        ping_median_ms=statistics.median(pings),
        ping_worst_ms=max(pings),
    )


def _pings(load: _Load, pinger: Client) -> list[float]:
    """Milliseconds of each Ping while batches of calls run, in batches of their own."""
    failures: list[BaseException] = []
    over = threading.Event()

    def batches() -> None:
        try:
            for _ in range(BATCHES):
                load.at_once()
        except BaseException as error:  # noqa: BLE001  raised again by the thread that waits
            failures.append(error)
        finally:
            over.set()

    worker = threading.Thread(target=batches, name="bench-load")
    worker.start()
    latencies: list[float] = []
    while not over.is_set() or not latencies:
        started = time.perf_counter()
        pinger.ping()
        latencies.append((time.perf_counter() - started) * 1000)
        over.wait(PING_INTERVAL_SECONDS)
    worker.join()
    if failures:
        raise failures[0]
    return latencies
