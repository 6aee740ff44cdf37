"""The observed way of taking a lock where somebody has to know of every hold, not of a sample.

Classes of their own beside `ftlocks._watch`, so that a profile does not pay for what only a
deadlock watchdog asks (who holds the lock at every moment, who waits to get back into it), and a
watchdog not for what a lock-order checker does (every acquisition and release). Must never tell of
an inner acquisition or release of an `RLock`.
"""

from _thread import get_ident
from collections.abc import Callable
from time import perf_counter_ns as clock

from ftlocks import _hooks
from ftlocks._hooks import Settings
from ftlocks._records import EXCLUSIVE, Waiter
from ftlocks._sites import capture
from ftlocks._watch import LockWatch, RLockWatch


class OwnedLockWatch(LockWatch):
    """Observes one `Lock` and knows who holds it, from just after the acquisition to the release.

    A C `RLock` knows by itself.
    """

    __slots__ = ()

    def entry(self) -> Callable[[], bool]:
        return self._enter_told if self.settings.told else self._enter_owned

    def _enter_owned(self) -> bool:
        if self._acquire(False):
            left = self._left = self._left - 1
            if not left:
                self._begin()
            self.owner = get_ident()
            return True
        return self._wait(-1)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not LockWatch.acquire(self, blocking, timeout):
            return False
        self.owner = get_ident()
        return True

    def release(self) -> None:
        self.exit()

    def exit(self, kind: object = None, error: object = None, trace: object = None) -> None:
        if not self.since:
            # Before it is free: until the next one has said who it is, nobody is known.
            self.owner = 0
        LockWatch.exit(self)

    def acquire_restore(self, state: object) -> None:
        _restore(self, state, LockWatch.acquire_restore)


class OwnedRLockWatch(RLockWatch):
    """Observes one `RLock`, also those who wait to get back into it."""

    __slots__ = ()

    def acquire_restore(self, state: object) -> None:
        _restore(self, state, RLockWatch.acquire_restore)


class TrackedLockWatch(OwnedLockWatch):
    """Observes one `Lock` and tells of each acquisition and release."""

    __slots__ = ()

    def entry(self) -> Callable[[], bool]:
        return self._enter_told

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        for taking in _hooks.on_taking:
            taking(self.info, EXCLUSIVE, blocking and timeout != 0, None)
        if not OwnedLockWatch.acquire(self, blocking, timeout):
            return False
        for taken in _hooks.on_taken:
            taken(self.info, EXCLUSIVE, None)
        return True

    def exit(self, kind: object = None, error: object = None, trace: object = None) -> None:
        owner = self.owner
        OwnedLockWatch.exit(self)
        for left in _hooks.on_left:
            left(self.info, None, owner)


class TrackedRLockWatch(OwnedRLockWatch):
    """Observes one `RLock` and tells of each outermost acquisition and release."""

    __slots__ = ()

    def entry(self) -> Callable[[], bool]:
        return self._enter_told

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._count():
            return RLockWatch.acquire(self, blocking, timeout)
        for taking in _hooks.on_taking:
            taking(self.info, EXCLUSIVE, blocking and timeout != 0, None)
        if not RLockWatch.acquire(self, blocking, timeout):
            return False
        for taken in _hooks.on_taken:
            taken(self.info, EXCLUSIVE, None)
        return True

    def release(self) -> None:
        self.exit()

    def exit(self, kind: object = None, error: object = None, trace: object = None) -> None:
        outermost = self._count() == 1
        RLockWatch.exit(self)
        if outermost:
            for left in _hooks.on_left:
                left(self.info, None, get_ident())

    def release_save(self) -> object:
        state = RLockWatch.release_save(self)
        for left in _hooks.on_left:
            left(self.info, None, get_ident())
        return state


def _restore[W: LockWatch](watch: W, state: object, restore: Callable[[W, object], None]) -> None:
    """The way back in after waiting in a condition, which may itself be part of a deadlock."""
    waiter = Waiter(EXCLUSIVE, clock(), gated=False)
    waiter.firm = True  # `Condition.wait` has to return with the lock
    waiter.site = capture(_hooks.site_depth) if _hooks.site_depth else None
    watch.waiters[id(waiter)] = waiter
    try:
        restore(watch, state)
    finally:
        del watch.waiters[id(waiter)]
    for taken in _hooks.on_taken:
        taken(watch.info, EXCLUSIVE, None)


def lock_watch(settings: Settings) -> type[LockWatch]:
    """Which sort of watch a `Lock` needs."""
    if settings.tracked:
        return TrackedLockWatch
    return OwnedLockWatch if settings.owned else LockWatch


def rlock_watch(settings: Settings) -> type[RLockWatch]:
    """Which sort of watch an `RLock` needs."""
    if settings.tracked:
        return TrackedRLockWatch
    return OwnedRLockWatch if settings.owned else RLockWatch
