"""What figures of throughput mean: medians with their spread, scaling, and where it was lost.

Ratios are taken within a round and only then is the median taken: two figures of the same round
have seen nearly the same machine. Must never run anything.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

# Of 2 at best: what two processes must get done of one's work, or threads cannot be expected to.
LEAST_CONTROL: Final = 1.6
# A loss below this is noise on a shared machine.
_LEAST_LOSS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Raises ValueError for no values."""
        if not values:
            raise ValueError("a spread needs at least one figure")
        return cls(statistics.median(values), min(values), max(values))

    def __format__(self, form: str) -> str:
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


@dataclass(frozen=True, slots=True)
class Series:
    """One workload on one build: operations a second, a list a round, by threads and sharing."""

    rates: dict[tuple[int, bool], list[float]]

    @classmethod
    def of(cls, rounds: Sequence[Sequence[dict[str, Any]]]) -> Self:
        """From what `ftstress measure` printed in each round."""
        rates: dict[tuple[int, bool], list[float]] = {}
        for figures in rounds:
            for each in figures:
                key = (each["threads"], each["is_shared"])
                rates.setdefault(key, []).append(each["rate"])
        return cls(rates)

    @property
    def threads(self) -> list[int]:
        """Numbers of threads that were measured, from 1."""
        return sorted({threads for threads, _ in self.rates})

    def rate(self, threads: int, is_shared: bool) -> Spread:
        """Operations a second. With one thread there is nothing to share."""
        return Spread.of(self._rates(threads, is_shared))

    def _rates(self, threads: int, is_shared: bool) -> list[float]:
        return self.rates[(threads, is_shared and threads > 1)]

    def scaling(self, threads: int, is_shared: bool) -> Spread:
        """How many times the work of one thread so many do in the same time."""
        return self.over(self, threads, is_shared, 1)

    def over(self, other: "Series", threads: int, is_shared: bool, others: int) -> Spread:
        """How many times as fast as `other` with `others` threads."""
        pairs = zip(self._rates(threads, is_shared), other._rates(others, is_shared), strict=True)
        return Spread.of([mine / theirs for mine, theirs in pairs])


@dataclass(frozen=True, slots=True)
class Loss:
    """Of what `threads` threads could do, the parts that were lost, each from 0 to 1.

    Args:
        locks: waiting for locks, as a profile saw it. sharing: what objects of each thread's own
            do not lose, and no lock explains: reference counts and cache lines that all threads
            write. rest: what is lost without sharing the object, too.
    """

    threads: int
    total: float
    locks: float
    sharing: float
    rest: float

    @classmethod
    def of(cls, series: Series, threads: int, waiting: float) -> Self:
        """`waiting`: the share of the threads' time that went into waiting for locks."""
        total = max(0.0, 1 - series.scaling(threads, True).median / threads)
        rest = min(total, max(0.0, 1 - series.scaling(threads, False).median / threads))
        locks = min(total - rest, waiting)
        return cls(threads, total, locks, total - rest - locks, rest)

    def text(self, locks: Sequence[tuple[str, float]]) -> str:
        """In words; `locks` with the share of time that was spent waiting for each."""
        if self.total < _LEAST_LOSS:
            return f"nothing lost worth the name ({self.total:.0%} of {self.threads} threads' work)"
        names = ", ".join(f"{label} {share:.0%}" for label, share in locks)
        parts = [
            f"{self.locks:.0%} waiting for locks{f' ({names})' if names and self.locks else ''}",
            f"{self.sharing:.0%} sharing the object (reference counts, and memory that all write)",
            f"{self.rest:.0%} lost on objects of each thread's own, too (what the whole process "
            "shares: functions, classes, the allocator, or the machine)",
        ]
        return f"{self.total:.0%} of {self.threads} threads' work is lost: {'; '.join(parts)}"
