"""The observed way of taking a `Lock` or an `RLock`.

A lock that is observed has these methods in place of its C lock's own. They keep the owner, the
waiters and the tally, all of it guarded by the lock itself, and tell observers once the lock is
free again. A hold that began before observation did is let go without a record: better none than
an absurd one. Must never be used without a C lock underneath: exclusion is the C lock's work.
"""

import sys
import threading
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns as clock
from typing import Any, Final

from ftlocks import _hooks
from ftlocks._hooks import Settings
from ftlocks._owners import c_owner, is_alive, misuse, runs
from ftlocks._records import EXCLUSIVE, POLL_SECONDS, Hold, LockInfo, Waiter, blocked_by
from ftlocks._sites import Site, capture
from ftlocks.errors import OwnerDiedError
from ftlocks.statistics import Tally

# Values of `waited` for a hold that was not contended: one of many, and one that a condition's
# waiter has begun, which stands for itself.
_SAMPLED: Final = -1
_RESTORED: Final = -2
# Value of `since`, see there.
_BLOCKING: Final = -1
_globals: Final = globals()


class LockWatch(Tally):
    """Observes one `Lock` for as long as observation goes on with the same settings.

    The tally and all that `enter` writes are guarded by the lock. Uncontended acquisitions are
    counted by counting down to the next one that is timed: it is what the fast way can afford.
    """

    __slots__ = (
        "_acquire",
        "_gap",
        "_given_up",
        "_left",
        "_raw",
        "_release",
        "handed",
        "info",
        "owner",
        "settings",
        "since",
        "site",
        "waited",
        "waiters",
        "weight",
    )

    def __init__(self, info: LockInfo, raw: Any, before: Tally | None, settings: Settings) -> None:
        super().__init__()
        if before is not None:
            self.take_over(before)
        self.info = info
        self._raw = raw
        self._acquire = raw.acquire
        self._release = raw.release
        self.settings = settings
        self._left = self._gap = 1  # acquisitions to the next timed one: left, and in all
        self.weight = 1  # of the hold that is timed now
        # Who took it last, where every acquisition says so (`settings.told`) or every hold is
        # timed; in between, who has a timed hold. 0 for nobody known.
        self.owner = 0
        # When acquired; 0 when free, or when this hold is not timed; _BLOCKING when it is not, but
        # a waiting thread, which writes that, wants to know who lets go.
        self.since = 0
        self.waited = _SAMPLED  # ns, when it is not negative
        self.site: Site | None = None
        self.handed = (0, 0)  # who let go last while others waited, and when
        # These two are for anybody to change.
        # (A thread that is blocked already stays in the picture.)
        self.waiters: dict[int, Waiter] = before.waiters if isinstance(before, LockWatch) else {}
        self._given_up = allocate_lock()

    def figures(self) -> dict[str, int]:
        figures = super().figures()
        figures["acquisitions"] += self._gap - self._left
        return figures

    def turns(self) -> int:
        """How often it has been taken; tells one hold from the next."""
        return self.acquisitions + self._gap - self._left

    def entry(self) -> Callable[[], bool]:
        """The way in that a `with` block takes; without arguments it is quicker."""
        return self._enter_told if self.settings.told else self._enter

    def way_in(self) -> Callable[..., bool]:
        """The way in that a written-out `acquire()` takes."""
        plain = type(self) in (LockWatch, RLockWatch) and not self.settings.told
        return self._take if plain else self.acquire

    def _take(self, blocking: bool = True, timeout: float = -1) -> bool:
        if timeout != -1:
            self._check(blocking, timeout)
        if self._acquire(False):
            left = self._left = self._left - 1
            if not left:
                self._begin()
            return True
        return self._wait(timeout) if blocking and timeout else False

    def _enter(self) -> bool:
        if self._acquire(False):
            left = self._left = self._left - 1
            if not left:
                self._begin()
            return True
        return self._wait(-1)

    def _enter_told(self) -> bool:
        return self.acquire()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not self.settings.told:
            return LockWatch._take(self, blocking, timeout)
        if timeout != -1:
            self._check(blocking, timeout)
        for wanted in _hooks.on_wanted:
            wanted(self.info, EXCLUSIVE, blocking)
        if self._acquire(False):
            left = self._left = self._left - 1
            if not left:
                self._begin()
            else:
                self.owner = get_ident()
            return True
        return self._wait(timeout) if blocking and timeout else False

    def exit(self, kind: object = None, error: object = None, trace: object = None) -> None:
        if self.since:
            self._finish()
            return
        try:
            self._release()
        except RuntimeError:
            raise misuse(self.info, self._raw, "released") from None

    def release(self) -> None:
        # As `exit`: to call that would cost half as much again.
        if self.since:
            self._finish()
            return
        try:
            self._release()
        except RuntimeError:
            raise misuse(self.info, self._raw, "released") from None

    def _begin(self) -> None:
        """Begin a timed hold that was not contended; called with the lock held."""
        self.owner = get_ident()
        gap = self.weight = self._gap
        self.acquisitions += gap
        # A lock that is rarely taken is timed more often: the next one comes at the latest after
        # an eighth of all so far, so that an estimate from the weights is never off by more.
        self._left = self._gap = min(self.settings.sample, 1 + (self.acquisitions >> 3))
        if _hooks.site_depth:
            # Only the place itself while the lock is held; the way to it is noted after.
            frame: Any = sys._getframe(1)
            while frame.f_globals is _globals:
                frame = frame.f_back
            self.site = (frame.f_code, frame.f_lasti)
        self.since = clock()

    def _finish(self, let_go: Callable[[], object] | None = None) -> object:
        """Release at the end of a hold to be told, and tell; what `let_go()` returned."""
        since, waited, thread = self.since, self.waited, self.owner or get_ident()
        now = clock()
        site, handed = self.site, self.handed
        # In this order: whoever begins to wait after the look at `waiters` raises the flag again.
        self.since = 0
        waiters = tuple(self.waiters.copy().values())
        if waiters:
            # Somebody may slip in before them: have that hold timed, whichever it is.
            self.since = _BLOCKING
            self._gap += 1 - self._left
            self._left = 1
        self.site = None
        self.waited = _SAMPLED
        self.owner = 0
        weight = self.weight if waited == _SAMPLED else 1
        if since == _BLOCKING:
            # All that is known is since when others have waited.
            since = min((waiter.since_ns for waiter in waiters), default=now)
            since = max(since, handed[1])
            weight = 0
        else:
            self.held(now - since)
        # Else the one before was gone before this one began to wait.
        after = handed if waited >= 0 and handed[1] > since - waited else (0, 0)
        if waiters:
            self.handed = (thread, now)
        state = (let_go or self._release)()
        if _hooks.on_released and (weight or waiters):
            hold = Hold(
                self.info,
                EXCLUSIVE,
                thread,
                since,
                max(waited, 0),
                waited >= 0,
                now - since,
                weight,
                len(waiters),
                site,
                blocked_by(max(since, handed[1]), now, waiters) if _hooks.site_depth else (),
                after,
            )
            for released in _hooks.on_released:
                released(hold)
        return state

    def _wait(self, timeout: float) -> bool:
        started = clock()
        waiter = Waiter(EXCLUSIVE, started, gated=False, timeout=timeout)
        if _hooks.site_depth:
            waiter.site = capture(_hooks.site_depth)
        self.waiters[id(waiter)] = waiter
        if not self.since:
            self.since = _BLOCKING
        got = False
        try:
            got = self._poll(waiter, started, timeout)
        finally:
            del self.waiters[id(waiter)]
            waited = clock() - started
            if not got:
                with self._given_up:  # the lock itself, which guards the rest, is another's
                    self.gave_up(waited)
                for gave_up in _hooks.on_gave_up:
                    gave_up(self.info, EXCLUSIVE, waited)
        if got:
            self.acquisitions += 1
            self.contended(waited)
            self._taken(waited, waiter.site)
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

    def _taken(self, waited: int, site: Site | None) -> None:
        """Begin a timed hold; called with the lock held."""
        self.owner = get_ident()
        self.waited = waited
        self.site = site
        self.since = clock()

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

    # For `Condition`. The way back in after a wait is not contention: every notified thread has to
    # wait there until the notifier leaves.

    def release_save(self) -> object:
        self.exit()
        return None

    def acquire_restore(self, state: object) -> None:
        site = capture(_hooks.site_depth) if _hooks.site_depth else None
        self._acquire()
        self.acquisitions += 1
        self._taken(_RESTORED, site)


class RLockWatch(LockWatch):
    """Observes one `RLock`. Only the outermost acquisition and release count.

    Whether one is the outermost is asked of the C lock: it knows, also when observation begins or
    ends in the middle of a hold.
    """

    __slots__ = ("_count", "owner_thread")

    def __init__(self, info: LockInfo, raw: Any, before: Tally | None, settings: Settings) -> None:
        super().__init__(info, raw, before, settings)
        self._count = raw._recursion_count
        # Of a timed hold. An ident is given to a new thread as soon as its thread has ended; the
        # object is not.
        self.owner_thread: threading.Thread | None = None

    def entry(self) -> Callable[[], bool]:
        if self.settings.told:
            return self._enter_told
        # Operands that are bound cost half of what they cost as attributes, and here that shows.
        return partial(_enter_again, self, self._acquire, self._count)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self.settings.told and not self._count():
            if timeout != -1:
                self._check(blocking, timeout)
            for wanted in _hooks.on_wanted:
                wanted(self.info, EXCLUSIVE, blocking)
        return RLockWatch._take(self, blocking, timeout)

    def _take(self, blocking: bool = True, timeout: float = -1) -> bool:
        if timeout != -1:
            self._check(blocking, timeout)
        if self._acquire(False):
            if self._count() == 1:
                left = self._left = self._left - 1
                if not left:
                    self._begin()
            return True
        return self._wait(timeout) if blocking and timeout else False

    def release(self) -> None:
        if self.since and self._count() == 1:
            self.owner_thread = None
            self._finish()
            return
        try:
            self._release()
        except RuntimeError:
            raise misuse(self.info, self._raw, "released") from None

    def exit(self, kind: object = None, error: object = None, trace: object = None) -> None:
        if self.since and self._count() == 1:
            self.owner_thread = None
            self._finish()
            return
        try:
            self._release()
        except RuntimeError:
            raise misuse(self.info, self._raw, "released") from None

    def _begin(self) -> None:
        self.owner_thread = threading.current_thread()
        super()._begin()

    def _taken(self, waited: int, site: Site | None) -> None:
        self.owner_thread = threading.current_thread()
        super()._taken(waited, site)

    def _check_owner(self) -> None:
        thread = self.owner_thread
        # Looked at twice: one that released it and ended in between has done no wrong.
        if thread is not None:
            if not is_alive(thread) and self.owner_thread is thread:
                raise self._owner_died(repr(thread.name))
            return
        # A hold that is not timed has an ident for its owner, which a new thread may have by now.
        ident = c_owner(self._raw)
        if ident and not runs(ident) and c_owner(self._raw) == ident:
            raise self._owner_died(str(ident))

    def _owner_died(self, name: str) -> OwnerDiedError:
        return OwnerDiedError(
            f"{self.info.kind} {self.info.label!r} can never be taken again: thread "
            f"{name} ended without releasing it; hold it with a `with` block there"
        )

    def release_save(self) -> object:
        count = self._count()
        if not count:
            raise misuse(self.info, self._raw, "waited with")
        self.owner_thread = None
        if self.since:
            return self._finish(self._raw._release_save)
        return self._raw._release_save()

    def acquire_restore(self, state: object) -> None:
        site = capture(_hooks.site_depth) if _hooks.site_depth else None
        self._raw._acquire_restore(state)
        self.acquisitions += 1
        self._taken(_RESTORED, site)


def _enter_again(
    watch: RLockWatch, acquire: Callable[[bool], bool], count: Callable[[], int]
) -> bool:
    """Enter an `RLock`, perhaps not for the first time."""
    if acquire(False):
        if count() == 1:
            left = watch._left = watch._left - 1
            if not left:
                watch._begin()
        return True
    return watch._wait(-1)
