"""The state of an `RWLock` and how it changes: who is inside, who waits, who is let in next.

A waiting thread is handed the lock by whoever lets go, in the order that the policy says; nobody
slips in between. Must never run a caller's code while its inner lock is held.
"""

import threading
from _thread import allocate_lock
from collections import deque
from time import perf_counter_ns as clock
from typing import Final, NoReturn

from ftlocks import _hooks, _records
from ftlocks._base import Named
from ftlocks._owners import is_alive
from ftlocks._records import READ, WRITE, Hold, LockState, Waiter, blocked_by
from ftlocks._sites import Site, capture
from ftlocks.errors import (
    LockMisuseError,
    OwnerDiedError,
    UpgradeError,
    WouldBlockError,
)
from ftlocks.statistics import Tally, names

# How often a waiting thread looks whether a holder has died. A guess: see `_records.POLL_SECONDS`.
_OWNER_CHECK_SECONDS: Final = 1.0


class Holder:
    """A thread inside: how often it entered, since when (0: not timed), after what wait.

    `site` and `after` as in `Hold`.
    """

    __slots__ = ("after", "count", "since", "site", "waited")

    def __init__(self, since: int, waited: int, after: tuple[int, int] = (0, 0)) -> None:
        self.count = 1
        self.after = after
        self.site: Site | None = None
        self.since = since
        self.waited = waited


class RWCore(Named):
    """What `RWLock` says, done; see there."""

    __slots__ = (
        "_always",
        "_fair",
        "_handed",
        "_holders",
        "_mutex",
        "_queue",
        "_timed",
        "_writer",
        "_writers_waiting",
        "reads",
        "writes",
    )

    def __init__(self, *, fair: bool, statistics: bool) -> None:
        self._fair = fair
        self._always = statistics
        self._timed = statistics
        self._mutex = allocate_lock()  # guards all that follows; held for microseconds
        self._queue: deque[Waiter] = deque()
        self._writers_waiting = 0
        self._handed = (0, 0)  # who let others in last, and when
        self._writer: threading.Thread | None = None
        self._holders: dict[threading.Thread, Holder] = {}  # the writer, or the readers
        self.reads = Tally()
        self.writes = Tally()

    def _acquire(self, mode: str, blocking: bool, timeout: float | None) -> bool:
        if timeout is not None:
            if not blocking:
                raise ValueError("can't specify a timeout for a non-blocking call")
            if timeout < 0:
                raise ValueError(f"timeout must not be negative, got {timeout!r}")
        me = threading.current_thread()
        if (_hooks.on_wanted or _hooks.on_taking) and me not in self._holders:
            for wanted in _hooks.on_wanted:
                wanted(self._info, mode, blocking)
            for taking in _hooks.on_taking:
                taking(self._info, mode, blocking and timeout != 0, None)
        waiter: Waiter | None = None
        with self._mutex:
            holder = self._holders.get(me)
            if holder is not None:
                if mode is WRITE and self._writer is not me:
                    raise UpgradeError(
                        f"thread {me.name!r} holds {self._described()} for reading and cannot wait "
                        "for writing: leave the read block first, or write from the start and "
                        "downgrade()"
                    )
                holder.count += 1
                return True
            if self._may_enter(mode):
                self._enter(mode, me, -1)
            elif not blocking or timeout == 0:
                return False
            else:
                waiter = Waiter(mode, clock(), gated=True, timeout=timeout)
                self._queue.append(waiter)
                self._writers_waiting += mode is WRITE
        if waiter is not None and not self._wait(waiter, timeout):
            return False
        for taken in _hooks.on_taken:
            taken(self._info, mode, None)
        return True

    def _may_enter(self, mode: str) -> bool:
        if mode is WRITE:
            return not self._holders
        if self._writer is not None:
            return False
        return not (self._queue if self._fair else self._writers_waiting)

    def _enter(self, mode: str, thread: threading.Thread, waited: int) -> None:
        """Put a thread inside; `waited` is -1 for one that did not wait."""
        tally = self.writes if mode is WRITE else self.reads
        tally.acquisitions += 1
        if waited >= 0:
            tally.contended(waited)
        if mode is WRITE:
            self._writer = thread
        after = self._handed if waited >= 0 else (0, 0)
        self._holders[thread] = Holder(clock() if self._timed else 0, waited, after)

    def _grant(self) -> list[Waiter]:
        """Put those inside whose turn it is; whom to wake, once the inner lock is free."""
        woken: list[Waiter] = []
        while self._queue and self._writer is None:
            waiter = self._next()
            if waiter is None or (waiter.mode is WRITE and self._holders):
                break
            self._queue.remove(waiter)
            self._writers_waiting -= waiter.mode is WRITE
            waiter.granted = True
            self._enter(waiter.mode, waiter.thread, clock() - waiter.since_ns)
            woken.append(waiter)
        return woken

    def _next(self) -> Waiter | None:
        """Whose turn it is among those waiting, whether or not it can enter yet."""
        if self._fair or not self._writers_waiting:
            return self._queue[0]
        return next((waiter for waiter in self._queue if waiter.mode is WRITE), None)

    def _wait(self, waiter: Waiter, timeout: float | None) -> bool:
        gate = waiter.gate
        assert gate is not None
        if _hooks.site_depth:
            waiter.site = capture(_hooks.site_depth)
        limit = None if timeout is None else waiter.since_ns + int(timeout * 1e9)
        try:
            while True:
                pause = _OWNER_CHECK_SECONDS
                if limit is not None:
                    pause = min(pause, max(0.0, (limit - clock()) / 1e9))
                gate.acquire(True, pause)
                if waiter.granted:
                    self._holders[waiter.thread].site = waiter.site
                    return True
                if waiter.error is not None:
                    raise waiter.error
                if limit is not None and clock() >= limit:
                    return not self._withdraw(waiter)
                self._check_owners()
        except BaseException:
            if not self._withdraw(waiter):
                self._release(waiter.mode)
            raise

    def _withdraw(self, waiter: Waiter) -> bool:
        """Stop waiting; False when the lock was handed over meanwhile."""
        woken: list[Waiter] = []
        with self._mutex:
            if waiter.granted:
                return False
            waited = clock() - waiter.since_ns
            if waiter in self._queue:
                self._queue.remove(waiter)
                self._writers_waiting -= waiter.mode is WRITE
                (self.writes if waiter.mode is WRITE else self.reads).contended(waited)
                woken = self._grant()  # it may have been what others were waiting behind
        for other in woken:
            other.wake()
        for gave_up in _hooks.on_gave_up:
            gave_up(self._info, waiter.mode, waited)
        return True

    def _release(self, mode: str | None) -> None:
        """Leave; with None, in whichever way this thread is inside."""
        me = threading.current_thread()
        woken: list[Waiter] = []
        ended: Hold | None = None
        with self._mutex:
            holder = self._holders.get(me)
            writing = self._writer is me
            # A writer may also have entered as a reader, so only its last way out must be WRITE's.
            if (
                holder is None
                or (mode is WRITE and not writing)
                or (mode is READ and writing and holder.count == 1)
            ):
                raise self._misuse(f"cannot leave (release_{mode or WRITE})", me)
            holder.count -= 1
            if holder.count:
                return
            ended = self._end(holder, WRITE if writing else READ, me)
            del self._holders[me]
            if writing:
                self._writer = None
            if self._queue:
                woken = self._grant()
        if woken or ended:
            self._finish(woken, ended)
        for left in _hooks.on_left:
            left(self._info, None, me.ident or 0)

    def _end(self, holder: Holder, mode: str, thread: threading.Thread) -> Hold | None:
        """Count a hold; what to tell of it, if it was timed. The thread is still inside."""
        if not holder.since:
            return None
        now = clock()
        held = now - holder.since
        (self.writes if mode is WRITE else self.reads).held(held)
        waiters = tuple(self._queue)
        # Of several readers the last one is waited for; what was waited for those before it is
        # in nobody's account.
        last = len(self._holders) == 1
        since = max(holder.since, self._handed[1])
        if waiters and last:
            self._handed = (thread.ident or 0, now)
        return Hold(
            self._info,
            mode,
            thread.ident or 0,
            holder.since,
            max(holder.waited, 0),
            holder.waited >= 0,
            held,
            1,
            len(waiters),
            holder.site,
            blocked_by(since, now, waiters) if last and _hooks.site_depth else (),
            holder.after,
        )

    def _finish(self, woken: list[Waiter], ended: Hold | None) -> None:
        for waiter in woken:
            waiter.wake()
        if ended is not None:
            for released in _hooks.on_released:
                released(ended)

    def _check_owners(self) -> None:
        # Looked for twice: one that left and ended in between has done no wrong.
        dead = [
            thread
            for thread in self._holders.copy()
            if not is_alive(thread) and thread in self._holders
        ]
        if dead:
            raise OwnerDiedError(
                f"{self._described()} can never be left again: {names(dead)} ended inside; hold it "
                "with a `with` block there"
            )

    def _would_block(self, mode: str) -> NoReturn:
        holders = names(self._holders.copy())
        raise WouldBlockError(
            f"{self._described()} cannot be entered to {mode} now: "
            + (f"{holders} inside" if holders else "others wait")
        )

    def _misuse(self, what: str, thread: threading.Thread) -> LockMisuseError:
        if self._writer is not None:
            inside = f"{self._writer.name!r} writes"
        elif self._holders:
            inside = f"{names(self._holders)} read"
        else:
            inside = "nobody is inside"
        return LockMisuseError(f"thread {thread.name!r} {what} {self._described()}: {inside}")

    def _observe(self, on: bool) -> None:
        self._timed = on or self._always

    def _states(self) -> list[LockState]:
        holders = self._holders.copy()
        return [
            LockState(
                self._info,
                None,
                tuple(thread.ident or 0 for thread in holders),
                _records.waiting(self._queue),
                tuple(holder.since for holder in holders.values()),
                READ if self._writer is None else WRITE,
                reentrant=True,
            )
        ]
