"""`Semaphore` and `BoundedSemaphore`: `threading`'s, served in the order of arrival.

Must never let a thread in while another one waits: that is what makes them fair.
"""

import threading
from _thread import get_ident
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from time import perf_counter_ns as clock

from ftlocks import _records
from ftlocks._base import Queued
from ftlocks._records import LockState, Waiter
from ftlocks.errors import AcquireTimeoutError, WouldBlockError
from ftlocks.statistics import UseStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class SemaphoreStatistics(UseStatistics):
    """A semaphore's figures. Nobody owns a permit, so holds are not timed."""

    name: str
    value: int
    waiting: int


class Semaphore(Queued):
    """A number of permits: `threading.Semaphore`, with a name, statistics and an order.

    Happens-before: a release happens before the acquisition that it makes possible returns: the
    n-th release before the (n + initial value)-th acquisition.

    Fairness: first come, first served. A permit that comes back while threads wait is handed to
    the one that waits longest.

    Any thread may release, also more often than it has acquired.

    Args:
        value: permits to begin with, not negative.
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
    """

    __slots__ = ("_holders", "_most", "_value")

    _mode = "semaphore"

    def __init__(self, value: int = 1, name: str = "") -> None:
        if value < 0:
            raise ValueError(f"semaphore initial value must be >= 0, got {value!r}")
        super().__init__()
        self._value = value
        self._most: float = inf  # permits that there may be
        # Permits by the thread that took them; None once one was given back by a thread that had
        # none: from then on it is a signal, which anybody may give.
        self._holders: dict[int, int] | None = {}
        self._register(name)

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take a permit; whether there was one.

        Args:
            timeout: seconds to wait at most; None waits for ever.
        """
        if timeout is not None and not blocking:
            raise ValueError("can't specify timeout for non-blocking acquire")
        ident = get_ident()
        with self._mutex:
            if self._value:
                self._value -= 1
                self._tally.acquisitions += 1
                holders = self._holders  # as in `_took`: this is the quick way
                if holders is not None:
                    holders[ident] = holders[ident] + 1 if ident in holders else 1
                return True
            if not blocking or (timeout is not None and timeout <= 0):
                return False
            waiter = Waiter(self._mode, clock(), gated=True, timeout=timeout)
            self._queue.append(waiter)
        return self._park(waiter, timeout)

    __enter__ = acquire

    def __exit__(self, *exception: object) -> None:
        self.release()

    def acquire_nowait(self) -> bool:
        """Take a permit without waiting; True. Raises `WouldBlockError` when there is none."""
        if self.acquire(False):
            return True
        raise WouldBlockError(f"{self._described()} has no permit left")

    @contextmanager
    def within(self, timeout: float) -> Iterator[None]:
        """A block with a permit: ``with semaphore.within(0.5):``.

        Raises `AcquireTimeoutError` when there is none within `timeout` seconds.
        """
        if not self.acquire(timeout=timeout):
            raise AcquireTimeoutError(f"{self._described()} had no permit within {timeout:g} s")
        try:
            yield
        finally:
            self.release()

    def release(self, n: int = 1) -> None:
        """Give `n` permits back, or add them."""
        if n < 1:
            raise ValueError(f"n must be one or more, got {n!r}")
        ident = get_ident()
        with self._mutex:
            if self._value + n > self._most:
                raise self._too_many(n)
            holders = self._holders
            if holders is not None:
                if ident in holders and holders[ident] == n:
                    del holders[ident]
                else:
                    self._gave_back(ident, n)
            if not self._queue:
                self._value += n
                return
            woken = []
            while n and self._queue:
                waiter = self._queue.popleft()
                self._admit(waiter)
                woken.append(waiter)
                n -= 1
            self._value += n
        for waiter in woken:
            waiter.wake()

    def _too_many(self, n: int) -> ValueError:
        name = threading.current_thread().name
        return ValueError(
            f"Semaphore released too many times, by thread {name!r}: {self._described()} has "
            f"{self._value} of {self._most} permits"
        )

    def _undo(self, waiter: Waiter) -> None:
        self.release()

    def _admit(self, waiter: Waiter) -> None:
        super()._admit(waiter)
        self._took(waiter.thread.ident or 0)

    def _took(self, ident: int) -> None:
        holders = self._holders
        if holders is not None:
            holders[ident] = holders[ident] + 1 if ident in holders else 1

    def _gave_back(self, ident: int, n: int) -> None:
        """Note it, where these are not just all that the thread has."""
        holders = self._holders
        if holders is None:
            return
        if ident in holders and holders[ident] > n:
            holders[ident] -= n
        else:
            self._holders = None

    def _states(self) -> list[LockState]:
        holders = self._holders
        return [
            LockState(
                self._info,
                None,
                (),
                _records.waiting(self._queue),
                mode=self._mode,
                expected=None if holders is None else frozenset(holders.copy()),
            )
        ]

    def statistics(self) -> SemaphoreStatistics:
        """The figures at one moment; always kept."""
        with self._mutex:
            return SemaphoreStatistics(
                name=self._info.name,
                value=self._value,
                waiting=len(self._queue),
                **self._tally.figures(),
            )

    def __repr__(self) -> str:
        waiting = len(self._queue)
        return self._repr(f"value={self._shown()}" + (f" waiting={waiting}" if waiting else ""))

    def _shown(self) -> str:
        return str(self._value)


class BoundedSemaphore(Semaphore):
    """A semaphore that never has more permits than at the beginning; else as `Semaphore`.

    Releasing more often than was acquired is a ValueError.
    """

    __slots__ = ()

    def __init__(self, value: int = 1, name: str = "") -> None:
        super().__init__(value, name)
        self._most = value

    def _shown(self) -> str:
        return f"{self._value}/{self._most}"
