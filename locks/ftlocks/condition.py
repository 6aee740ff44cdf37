"""`Condition` and `Barrier`: `threading`'s, with a name and statistics.

The waiters are known by thread, so that a watchdog can tell who waits for a notification that
nobody is left to give. Must never let go of its lock other than by the lock's own save and restore.
"""

import threading
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

from ftlocks import _hooks, _records
from ftlocks._base import PUBLIC, Named, Regulars
from ftlocks._records import LockState, Waiter
from ftlocks._sites import capture
from ftlocks.errors import LockMisuseError, WouldBlockError
from ftlocks.mutex import RLock
from ftlocks.statistics import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionStatistics:
    """A condition's figures. Waiting for a notification is not contention for its lock."""

    name: str
    waiting: int
    waits: int
    timeouts: int
    notified: int
    wait_total_ns: int
    wait_max_ns: int


class Condition(Named):
    """A place to wait, under a lock, for something that another thread does under the same lock.

    Happens-before: as by its lock. What a thread did before it let go of the lock after `notify()`
    happens before the `wait()` that it woke returns.

    Fairness: notifications go to those who wait in the order in which they came; on the way back
    to the lock they compete with everybody else. A notification of a thread whose time runs out at
    the same moment counts: its `wait()` returns True.

    Entering the condition is entering its lock, at the lock's own price.

    Args:
        lock: a `Lock`, an `RLock`, one of `threading`'s, or anything with the same methods; an
            `RLock` of its own by default.
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
    """

    __slots__ = (
        "__enter__",
        "__exit__",
        "_acquire_restore",
        "_is_owned",
        "_lock",
        "_notified",
        "_notifier",
        "_queue",
        "_release_save",
        "_tally",
        "_timeouts",
        "acquire",
        "release",
    )

    if TYPE_CHECKING:  # at run time these are slots with the lock's methods

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
        def release(self) -> None: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, *exception: object) -> None: ...

    _release_save: Callable[[], Any]
    _acquire_restore: Callable[[Any], None]
    _is_owned: Callable[[], bool]

    def __init__(self, lock: Any = None, name: str = "", *, _kind: str = "") -> None:
        self._lock = RLock(name) if lock is None else lock
        # Guarded by the lock.
        self._queue: deque[Waiter] = deque()
        self._tally = Tally()
        self._timeouts = 0
        self._notified = 0
        self._notifier = 0  # ident of the thread that last woke somebody
        self._borrow()
        self._register(name, _kind)

    def _borrow(self) -> None:
        lock = self._lock
        self.acquire = lock.acquire  # type: ignore[method-assign]  # a slot
        self.release = lock.release  # type: ignore[method-assign]
        self.__enter__ = lock.__enter__  # type: ignore[method-assign]
        self.__exit__ = lock.__exit__  # type: ignore[method-assign]
        self._release_save = getattr(lock, "_release_save", self._plain_release)
        self._acquire_restore = getattr(lock, "_acquire_restore", self._plain_acquire)
        self._is_owned = getattr(lock, "_is_owned", self._plain_is_owned)

    def _observe(self, on: bool) -> None:
        # The lock was made before and has been switched before.
        self._borrow()

    def _plain_release(self) -> None:
        self._lock.release()

    def _plain_acquire(self, state: object) -> None:
        self._lock.acquire()

    def _plain_is_owned(self) -> bool:
        # As far as one can tell of a lock without an owner.
        if self._lock.acquire(False):
            self._lock.release()
            return False
        return True

    def acquire_nowait(self) -> bool:
        """Take the lock without waiting; True. Raises `WouldBlockError` when it is held."""
        if self.acquire(False):
            return True
        raise WouldBlockError(f"the lock of {self._described()} is held: {self._lock!r}")

    def wait(self, timeout: float | None = None) -> bool:
        """Let the lock go, wait for a notification, and take the lock again.

        Whether there was one; False when `timeout` seconds went by without. Check what you waited
        for: by the time the lock is back it may have changed again (`wait_for()` does).

        Raises:
            LockMisuseError: this thread does not hold the lock.
        """
        if not self._is_owned():
            raise self._misuse("wait on")
        waiter = Waiter(self._info.kind.lower(), clock(), gated=True, timeout=timeout)
        gate = waiter.gate
        assert gate is not None
        if _hooks.site_depth:
            waiter.site = capture(_hooks.site_depth)
        self._queue.append(waiter)
        state = self._release_save()
        try:
            if timeout is None:
                gate.acquire()
            elif timeout > 0:
                gate.acquire(True, timeout)
        finally:
            woken = clock()
            self._acquire_restore(state)
            if not waiter.granted:
                try:
                    self._queue.remove(waiter)
                except ValueError:  # a fork has emptied the queue
                    pass
                self._timeouts += 1
            self._tally.contended(woken - waiter.since_ns)
        for told in _hooks.on_waited:
            told(self._info, waiter.mode, woken - waiter.since_ns, waiter.granted)
        if waiter.error is not None and not waiter.granted:
            raise waiter.error
        return waiter.granted

    def wait_for[T](self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until `predicate()` is true, asking now and after every notification.

        Its last result; a false one when `timeout` seconds were not enough.
        """
        limit = None if timeout is None else monotonic() + timeout
        left = timeout
        while not (result := predicate()):
            if limit is not None:
                left = limit - monotonic()
                if left <= 0:
                    break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        """Wake the `n` threads that have waited longest, or as many as there are.

        They go on once the caller lets go of the lock. `LockMisuseError` when this thread does not
        hold it.
        """
        if not self._is_owned():
            raise self._misuse("notify on")
        while self._queue and n > 0:
            waiter = self._queue[0]
            # In this order, so that an exception out of a signal handler in between loses nobody:
            # the next notification finds the waiter still here, and does not count it.
            if not waiter.granted:
                waiter.granted = True
                self._notified += 1
                self._notifier = get_ident()
                n -= 1
            waiter.wake()
            self._queue.popleft()

    def notify_all(self) -> None:
        """Wake all threads that wait. `LockMisuseError` when this thread does not hold the lock."""
        self.notify(len(self._queue))

    def statistics(self) -> ConditionStatistics:
        """The figures now, read while other threads run on; the lock has its own."""
        return ConditionStatistics(
            name=self._info.name,
            waiting=len(self._queue),
            waits=self._tally.contentions,
            timeouts=self._timeouts,
            notified=self._notified,
            wait_total_ns=self._tally.wait_total_ns,
            wait_max_ns=self._tally.wait_max_ns,
        )

    def __repr__(self) -> str:
        label = f" {self._info.name!r}" if self._info.name else ""
        kind = type(self).__qualname__
        return f"<{PUBLIC}.{kind}{label} waiting={len(self._queue)} lock={self._lock!r}>"

    def _misuse(self, verb: str) -> LockMisuseError:
        return LockMisuseError(
            f"thread {threading.current_thread().name!r} cannot {verb} un-acquired lock of "
            f"{self._described()}: do it inside `with condition:`"
        )

    def _states(self) -> list[LockState]:
        waiters = _records.waiting(self._queue)
        return [LockState(self._info, None, (), waiters, ender=self._notifier)]

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()
        self._queue.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierStatistics:
    """A barrier's figures; `rounds` are those that were completed."""

    name: str
    parties: int
    waiting: int
    broken: bool
    rounds: int
    wait_total_ns: int
    wait_max_ns: int


class _Meeting(Condition):
    """What a barrier's parties wait in, which knows who they are."""

    __slots__ = ("_most", "parties")

    def __init__(self, parties: int, name: str) -> None:
        # Only where exactly as many threads have come can one tell which are missing.
        self._most = parties
        self.parties = Regulars(parties)
        super().__init__(allocate_lock(), name, _kind="Barrier")

    def _states(self) -> list[LockState]:
        waiters = _records.waiting(self._queue)
        known = self.parties.known()
        if known is None or len(known) < self._most:
            return [LockState(self._info, None, (), waiters)]
        here = {waiter.thread.ident or 0 for waiter in waiters}
        return [LockState(self._info, None, (), waiters, expected=known - here)]


class Barrier(threading.Barrier):
    """A meeting point of a fixed number of threads: `threading.Barrier`, with name and statistics.

    Happens-before: what any party did before its `wait()` happens before `action`, and that before
    every party's return from the same round's `wait()`.

    Fairness: all go on; in no particular order.

    A party whose time runs out, an `action` that raises, and `abort()` break the barrier: all who
    wait or come to wait get `threading.BrokenBarrierError`, until `reset()`.

    Args:
        parties: how many threads meet, at least 1.
        action: called by one of them, before they go on.
        timeout: seconds that `wait()` waits by default; None for ever.
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
    """

    def __init__(
        self,
        parties: int,
        action: Callable[[], None] | None = None,
        timeout: float | None = None,
        name: str = "",
    ) -> None:
        super().__init__(parties, action, timeout)
        # `threading.Barrier` makes one of threading's; ours knows who waits.
        self._cond: _Meeting = _Meeting(parties, name)
        self._rounds = 0

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the others; the place in this round, different for each, from 0.

        Raises `threading.BrokenBarrierError` when the round cannot be completed.
        """
        self._cond.parties.came(get_ident())
        place = super().wait(timeout)
        if place == 0:
            with self._cond:
                self._rounds += 1
        return place

    @property
    def name(self) -> str:
        """The name it was given, "" without."""
        return self._cond.name

    def statistics(self) -> BarrierStatistics:
        """The figures now, read one after the other."""
        waited = self._cond.statistics()
        return BarrierStatistics(
            name=self.name,
            parties=self.parties,
            waiting=self.n_waiting,
            broken=self.broken,
            rounds=self._rounds,
            wait_total_ns=waited.wait_total_ns,
            wait_max_ns=waited.wait_max_ns,
        )

    def __repr__(self) -> str:
        label = f" {self.name!r}" if self.name else ""
        state = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<{PUBLIC}.{type(self).__qualname__}{label} at {id(self):#x}: {state}>"
