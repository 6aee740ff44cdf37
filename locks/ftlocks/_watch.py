"""The observed way of taking a `Lock` or an `RLock`.

A lock that is observed has these methods in place of its C lock's own. They keep the owner, the
waiters and the tally, all of it guarded by the lock itself, and tell observers once the lock is
free again. A hold that began before observation did is let go without a record: better none than
an absurd one. Must never be used without a C lock underneath: exclusion is the C lock's work.
"""

import threading
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from time import perf_counter_ns as clock
from typing import Any, Final

from ftlocks import _hooks
from ftlocks._hooks import EXCLUSIVE, POLL_SECONDS, Hold, LockInfo, Waiter
from ftlocks.errors import LockMisuseError, OwnerDiedError
from ftlocks.statistics import Tally, owner_named

_UNTIMED: Final = -1


class LockWatch:
    """Observes one `Lock` for as long as observation is on."""

    __slots__ = (
        "_acquire",
        "_given_up",
        "_raw",
        "_release",
        "exact",
        "info",
        "mask",
        "owner",
        "since",
        "tally",
        "waited",
        "waiters",
    )

    def __init__(self, info: LockInfo, raw: Any, tally: Tally, *, exact: bool) -> None:
        self.info = info
        self._raw = raw
        self._acquire = raw.acquire
        self._release = raw.release
        self.exact = exact
        self.mask = 0 if exact else _hooks.sample_mask
        # Those below are written by whoever holds the lock, and by nobody else.
        self.tally = tally
        self.owner = 0
        self.since = 0  # when acquired; 0 when free, or when this hold is not timed
        self.waited = _UNTIMED  # -1 when uncontended
        # These by anybody.
        self.waiters: dict[int, Waiter] = {}
        self._given_up = allocate_lock()

    def enter(self) -> bool:
        if _hooks.on_wanted:
            self._want(True)
        if self._acquire(False):
            tally = self.tally
            count = tally.acquisitions = tally.acquisitions + 1
            self.owner = get_ident()
            if not count & self.mask:
                self.since = clock()
            return True
        return self._wait(-1)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if timeout != -1:
            self._check(blocking, timeout)
        if _hooks.on_wanted:
            self._want(blocking)
        if self._acquire(False):
            tally = self.tally
            count = tally.acquisitions = tally.acquisitions + 1
            self.owner = get_ident()
            if not count & self.mask:
                self.since = clock()
            return True
        return self._wait(timeout) if blocking and timeout else False

    def exit(self, *exception: object) -> None:
        if self.since:
            self._finish()
        else:
            self.owner = 0
            try:
                self._release()
            except RuntimeError:
                raise self._misuse("released") from None

    def release(self) -> None:
        self.exit()

    def _finish(self, let_go: Callable[[], object] | None = None) -> object:
        """Release at the end of a timed hold, and tell; what `let_go()` returned."""
        since, waited, thread = self.since, self.waited, self.owner
        held = clock() - since
        self.since = 0
        self.waited = _UNTIMED
        self.owner = 0
        self.tally.held(held)
        state = (let_go or self._release)()
        if _hooks.on_released:
            contended = waited != _UNTIMED
            hold = Hold(
                self.info,
                EXCLUSIVE,
                thread,
                since,
                waited if contended else 0,
                contended,
                held,
                1 if contended else self.mask + 1,
            )
            for released in _hooks.on_released:
                released(hold)
        return state

    def _wait(self, timeout: float) -> bool:
        started = clock()
        waiter = Waiter(EXCLUSIVE, started, gated=False)
        self.waiters[id(waiter)] = waiter
        got = False
        try:
            got = self._poll(waiter, started, timeout)
        finally:
            del self.waiters[id(waiter)]
            waited = clock() - started
            if not got:
                with self._given_up:  # the lock itself, which guards the rest, is another's
                    self.tally.gave_up(waited)
                for gave_up in _hooks.on_gave_up:
                    gave_up(self.info, EXCLUSIVE, waited)
        if got:
            self.tally.acquisitions += 1
            self.tally.waited(waited)
            self._taken(waited)
        return got

    def _poll(self, waiter: Waiter, started: int, timeout: float) -> bool:
        """Wait in slices: a thread that sleeps in a C lock for ever cannot be told anything."""
        pause = POLL_SECONDS
        while True:
            if timeout >= 0:
                pause = min(POLL_SECONDS, timeout - (clock() - started) / 1e9)
                if pause <= 0:
                    return False
            if self._acquire(True, pause):
                return True
            if waiter.error is not None:
                raise waiter.error
            self._check_owner()

    def _taken(self, waited: int) -> None:
        """Begin a timed hold; called with the lock held."""
        self.owner = get_ident()
        self.waited = waited
        self.since = clock()

    def _want(self, blocking: bool) -> None:
        for wanted in _hooks.on_wanted:
            wanted(self.info, EXCLUSIVE, blocking)

    def _check(self, blocking: bool, timeout: float) -> None:
        """The same complaints as the C lock's."""
        if not blocking:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0:
            raise ValueError("timeout value must be a non-negative number")
        if timeout > threading.TIMEOUT_MAX:
            raise OverflowError("timeout value is too large")

    def _check_owner(self) -> None:
        """Nothing here: any thread may release a `Lock`, so a dead owner proves nothing."""

    def _misuse(self, verb: str) -> LockMisuseError:
        owner = owner_named(self.owner)
        return LockMisuseError(
            f"thread {threading.current_thread().name!r} {verb} {self.info.kind} "
            f"{self.info.label!r}, which "
            + ("nobody holds" if owner is None else f"thread {owner} holds")
        )

    # For `Condition`. The way back in after a wait is not contention: every notified thread has to
    # wait there until the notifier leaves.

    def release_save(self) -> object:
        self.exit()
        return None

    def acquire_restore(self, state: object) -> None:
        self._acquire()
        self.tally.acquisitions += 1
        self._taken(_UNTIMED)


class RLockWatch(LockWatch):
    """Observes one `RLock`. Only the outermost acquisition and release count.

    Whether one is the outermost is asked of the C lock: it knows, also when observation begins or
    ends in the middle of a hold.
    """

    __slots__ = ("_count", "owner_thread")

    def __init__(self, info: LockInfo, raw: Any, tally: Tally, *, exact: bool) -> None:
        super().__init__(info, raw, tally, exact=exact)
        self._count = raw._recursion_count
        # An ident is given to a new thread as soon as its thread has ended; the object is not.
        self.owner_thread: threading.Thread | None = None

    def enter(self) -> bool:
        return self.acquire()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if timeout != -1:
            self._check(blocking, timeout)
        if _hooks.on_wanted and not self._count():
            self._want(blocking)
        if self._acquire(False):
            if self._count() == 1:
                tally = self.tally
                count = tally.acquisitions = tally.acquisitions + 1
                self.owner_thread = threading.current_thread()
                self.owner = get_ident()
                if not count & self.mask:
                    self.since = clock()
            return True
        return self._wait(timeout) if blocking and timeout else False

    def exit(self, *exception: object) -> None:
        count = self._count()
        if count == 1:
            self.owner_thread = None
            if self.since:
                self._finish()
            else:
                self.owner = 0
                self._release()
        elif count:
            self._release()
        else:
            raise self._misuse("released")

    def _taken(self, waited: int) -> None:
        self.owner_thread = threading.current_thread()
        super()._taken(waited)

    def _check_owner(self) -> None:
        thread = self.owner_thread
        if thread is not None and not is_alive(thread):
            raise OwnerDiedError(
                f"{self.info.kind} {self.info.label!r} can never be taken again: thread "
                f"{thread.name!r} ended without releasing it; hold it with a `with` block there"
            )

    def release_save(self) -> object:
        count = self._count()
        if not count:
            raise self._misuse("waited with")
        self.owner_thread = None
        if self.since:
            return self._finish(self._raw._release_save)
        self.owner = 0
        return self._raw._release_save()

    def acquire_restore(self, state: object) -> None:
        self._raw._acquire_restore(state)
        self.tally.acquisitions += 1
        self._taken(_UNTIMED)


def is_alive(thread: threading.Thread) -> bool:
    """Whether it still runs; a thread that `threading` did not start tells it by an exception."""
    try:
        return thread.is_alive()
    except RuntimeError:
        return False
