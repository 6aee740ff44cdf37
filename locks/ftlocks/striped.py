"""A fixed number of locks for any number of keys.

One lock for a big table makes all its users wait for each other; one per entry costs memory and
time to find. A key's hash picks one of a few. Must never be used where a key's lock has to be that
key's alone: two keys may share one (`KeyedLock` does not).
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import NoReturn

from ftlocks._base import PUBLIC
from ftlocks.errors import AcquireTimeoutError
from ftlocks.mutex import RLock
from ftlocks.statistics import LockStatistics, UseStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class StripedLockStatistics(UseStatistics):
    """The figures of all stripes together, and of each in `stripes`."""

    name: str
    locked: int
    waiting: int
    observed: bool
    stripes: tuple[LockStatistics, ...]


class StripedLock[K: Hashable]:
    """`stripes` reentrant locks, one of which is a given key's.

    Happens-before and fairness, for each stripe by itself, are those of `RLock`; so, for each key,
    the n-th outermost release happens before the (n+1)-th outermost acquisition returns.

    Keys that compare equal have the same lock. A thread that takes the locks of several keys one by
    one may deadlock with another one: use `hold_all()`.

    Args:
        stripes: how many, a power of two; more than the threads that come at once is of no use.
        name: the stripes are called "<name>[<number>]".
        statistics: observe the locks always, also while `ftlocks.observe()` is off.
    """

    __slots__ = ("_locks", "_mask", "_name")

    def __init__(self, stripes: int = 16, name: str = "", *, statistics: bool = False) -> None:
        if stripes < 1 or stripes & (stripes - 1):
            raise ValueError(f"stripes must be a power of two, got {stripes!r}")
        self._name = name
        self._mask = stripes - 1
        # A tuple: reading it from many threads contends for nothing but the lock that is read.
        self._locks = tuple(
            RLock(f"{name}[{number}]" if name else "", statistics=statistics)
            for number in range(stripes)
        )

    def __len__(self) -> int:
        """How many stripes there are."""
        return len(self._locks)

    def __getitem__(self, key: K) -> RLock:
        """The lock of `key`: ``with striped[key]:``."""
        return self._locks[hash(key) & self._mask]

    @contextmanager
    def hold_all(self, *keys: K, timeout: float | None = None) -> Iterator[None]:
        """A block that holds the locks of all `keys`, taken in one order by everybody.

        `AcquireTimeoutError` when they are not all to be had within `timeout` seconds.
        """
        limit = None if timeout is None else monotonic() + timeout
        taken: list[RLock] = []
        try:
            for number in sorted({hash(key) & self._mask for key in keys}):
                lock = self._locks[number]
                left = -1 if limit is None else max(0.0, limit - monotonic())
                if not lock.acquire(timeout=left):
                    raise AcquireTimeoutError(f"{lock!r} was still held after {timeout:g} s")
                taken.append(lock)
            yield
        finally:
            for lock in reversed(taken):
                lock.release()

    @property
    def name(self) -> str:
        """The name it was given, "" without."""
        return self._name

    def statistics(self) -> StripedLockStatistics:
        """The figures now; counts are kept while the locks are observed, see `RLock.statistics`."""
        each = tuple(lock.statistics() for lock in self._locks)
        return StripedLockStatistics(
            name=self._name,
            locked=sum(figures.locked for figures in each),
            waiting=sum(figures.waiting for figures in each),
            observed=all(figures.observed for figures in each),
            stripes=each,
            acquisitions=sum(figures.acquisitions for figures in each),
            contentions=sum(figures.contentions for figures in each),
            wait_total_ns=sum(figures.wait_total_ns for figures in each),
            wait_max_ns=max(figures.wait_max_ns for figures in each),
            holds_timed=sum(figures.holds_timed for figures in each),
            hold_total_ns=sum(figures.hold_total_ns for figures in each),
            hold_max_ns=max(figures.hold_max_ns for figures in each),
        )

    def __repr__(self) -> str:
        label = f" {self._name!r}" if self._name else ""
        held = sum(lock.locked() for lock in self._locks)
        return f"<{PUBLIC}.{type(self).__qualname__}{label} {held} of {len(self)} stripes held>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r}: its meaning is identity")
