"""Counts of calls and their durations, by tool: written by handler threads, read on a scrape.

Each thread has a ledger of its own, so that counting shares no lock and no cache line with other
threads; a reader adds the ledgers up. Durations are sorted into buckets when they are counted,
since a histogram can be added up and percentiles cannot.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ftlocks import ThreadLocal

# fmt: off
BUCKETS_SECONDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)
# fmt: on
"""Upper bounds, inclusive; what took longer is in one more. From our own overhead, some tenths of
a millisecond, to what a batch job takes."""

UNKNOWN: Final = "(unknown)"
"""Stands for all names that the adapter has no tool of: callers must not be able to make series."""

_BOUNDS_NANOSECONDS: Final = [round(bound * 1e9) for bound in BUCKETS_SECONDS]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFigures:
    """One tool's figures.

    Attributes:
        outcomes: calls that have ended, by outcome.
        in_flight: calls that have begun and not ended.
        buckets: calls by duration, one number for each bound and one for longer; not cumulated.
        seconds: all durations together.
    """

    outcomes: Mapping[str, int]
    in_flight: int
    buckets: Sequence[int]
    seconds: float


class _Series:
    """One thread's counts of one tool; written by that thread only."""

    __slots__ = ("buckets", "nanoseconds", "outcomes", "started")

    def __init__(self) -> None:
        self.started = 0
        self.outcomes: dict[str, int] = {}
        self.buckets = [0] * (len(_BOUNDS_NANOSECONDS) + 1)
        self.nanoseconds = 0

    def add(self, other: _Series) -> None:
        """Add another one's counts to a reader's sum."""
        # What has ended is read before what has begun: no call is ended and not begun.
        for outcome, count in other.outcomes.copy().items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        for index, count in enumerate(other.buckets):
            self.buckets[index] += count
        self.nanoseconds += other.nanoseconds
        self.started += other.started


class _Ledger:
    """One thread's counts of all tools."""

    __slots__ = ("folded", "series")

    def __init__(self) -> None:
        self.series: dict[str, _Series] = {}
        self.folded = False  # already in the meter's base; guarded by the meter's lock


class CallMeter:
    """Counts calls by tool, outcome and duration. Safe to use from any thread.

    `started` and `ended` wait for nobody. `figures` takes a lock that only readers share. Counts
    of a call that happens while they are read may be partly in them; nothing is ever lost or
    counted twice, so that counters never appear to fall. What ended threads counted stays.

    Args:
        tools: names that get figures of their own; all others are `UNKNOWN`.
    """

    def __init__(self, tools: Iterable[str]) -> None:
        self._tools = frozenset(tools)
        self._retired: deque[_Ledger] = deque()
        self._ledgers = ThreadLocal(_Ledger, finalizer=self._retired.append, name="call meter")
        self._lock = threading.Lock()
        self._base: dict[str, _Series] = {}

    def started(self, tool: str) -> None:
        """A call of the tool begins."""
        self._series(tool).started += 1

    def ended(self, tool: str, outcome: str, nanoseconds: int) -> None:
        """It has ended, on this thread or another one."""
        series = self._series(tool)
        series.buckets[bisect_left(_BOUNDS_NANOSECONDS, nanoseconds)] += 1
        series.nanoseconds += nanoseconds
        series.outcomes[outcome] = series.outcomes.get(outcome, 0) + 1

    def _series(self, tool: str) -> _Series:
        series = self._ledgers.get().series
        if tool not in self._tools:
            tool = UNKNOWN
        found = series.get(tool)
        if found is None:
            found = series[tool] = _Series()
        return found

    def figures(self) -> dict[str, CallFigures]:
        """By tool, in alphabetical order; only of tools that have been called."""
        with self._lock:
            # Live ledgers first, as in `ShardedCounter.value`: none is missed, none counts twice.
            live = self._ledgers.values()
            while self._retired:
                ledger = self._retired.popleft()
                ledger.folded = True
                _add(self._base, ledger)
            total: dict[str, _Series] = {}
            for tool, series in self._base.items():
                total.setdefault(tool, _Series()).add(series)
            for ledger in live:
                if not ledger.folded:
                    _add(total, ledger)
        return {tool: _figures(series) for tool, series in sorted(total.items())}


def _add(total: dict[str, _Series], ledger: _Ledger) -> None:
    for tool, series in ledger.series.copy().items():
        total.setdefault(tool, _Series()).add(series)


def _figures(series: _Series) -> CallFigures:
    ended = sum(series.outcomes.values())
    return CallFigures(
        outcomes=series.outcomes,
        in_flight=max(0, series.started - ended),
        buckets=series.buckets,
        seconds=series.nanoseconds / 1e9,
    )
