"""Many readers or one writer.

Worth its price where reads are long compared with a microsecond: every read changes the lock's own
state twice. A waiting thread is handed the lock by whoever lets go, in the order that the policy
says; nobody slips in between. Must never run a caller's code while its inner lock is held.
"""

import threading
from _thread import allocate_lock
from collections import deque
from dataclasses import dataclass
from time import perf_counter_ns as clock
from types import TracebackType
from typing import Final, NoReturn, Self

from ftlocks import _hooks
from ftlocks._base import Named
from ftlocks._hooks import READ, WRITE, Hold, LockState, Waiter, blocked_by
from ftlocks._sites import Site, capture
from ftlocks._watch import is_alive
from ftlocks.errors import (
    AcquireTimeoutError,
    LockMisuseError,
    OwnerDiedError,
    UpgradeError,
    WouldBlockError,
)
from ftlocks.statistics import Owner, Tally, UseStatistics, names, owner_of

# How often a waiting thread looks whether a holder has died. A guess: see `_hooks.POLL_SECONDS`.
_OWNER_CHECK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RWLockStatistics:
    """An `RWLock`'s figures: who is inside, how many wait for each side, and its use."""

    name: str
    writer: Owner | None
    readers: tuple[Owner, ...]
    readers_waiting: int
    writers_waiting: int
    reads: UseStatistics
    writes: UseStatistics


class _Holder:
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


class RWLock(Named):
    """A lock that many threads may hold for reading, or one for writing.

    Happens-before: a writer's release happens before every later acquisition returns, by a reader
    or a writer; a reader's release happens before every later writer's acquisition returns. So a
    reader sees all earlier writes, and a writer is not seen before it is through. Two readers are
    not ordered.

    Fairness: by default writers are preferred: a new reader waits while a writer waits, so that
    readers that come and go cannot keep writers out; writers that come and go can keep readers out.
    With ``fair=True`` everybody is served in the order of arrival, neighbouring readers together.
    Either way the lock is handed over by the one who leaves; nobody overtakes.

    Reentrant: a thread that reads may read again, also when a writer waits; one that writes may
    write and read again. A thread that reads and asks to write gets `UpgradeError`: two that did
    so would wait for each other. The other direction is `downgrade()`.

    A wait for a thread that ended while inside raises `OwnerDiedError`.

    Args:
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
        fair: first come, first served.
        statistics: time every hold, also while `ftlocks.observe()` is off.
    """

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

    def __init__(self, name: str = "", *, fair: bool = False, statistics: bool = False) -> None:
        self._fair = fair
        self._always = statistics
        self._timed = statistics
        self._mutex = allocate_lock()  # guards all that follows; held for microseconds
        self._queue: deque[Waiter] = deque()
        self._writers_waiting = 0
        self._handed = (0, 0)  # who let others in last, and when
        self._writer: threading.Thread | None = None
        self._holders: dict[threading.Thread, _Holder] = {}  # the writer, or the readers
        self.reads = Tally()
        self.writes = Tally()
        self._register(name)

    def acquire_read(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Enter as a reader; whether that was possible.

        Args:
            timeout: seconds to wait at most; None waits for ever.
        """
        return self._acquire(READ, blocking, timeout)

    def acquire_write(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Enter as the writer; whether that was possible.

        Args:
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            UpgradeError: this thread is inside as a reader.
        """
        return self._acquire(WRITE, blocking, timeout)

    def acquire_read_nowait(self) -> bool:
        """Enter as a reader; True. Raises `WouldBlockError` where it would have to wait."""
        return self._acquire(READ, False, None) or self._would_block(READ)

    def acquire_write_nowait(self) -> bool:
        """Enter as the writer; True. Raises `WouldBlockError` where it would have to wait."""
        return self._acquire(WRITE, False, None) or self._would_block(WRITE)

    def release_read(self) -> None:
        """Leave as a reader. `LockMisuseError` when this thread is not inside as one.

        A writer that entered as a reader too leaves in the reverse order.
        """
        self._release(READ)

    def release_write(self) -> None:
        """Leave as the writer. `LockMisuseError` when this thread is not."""
        self._release(WRITE)

    def read(self, timeout: float | None = None) -> "Side":
        """A context manager: a block inside as a reader.

        Raises `AcquireTimeoutError` on entry when `timeout` seconds are not enough.
        """
        return Side(self, READ, timeout)

    def write(self, timeout: float | None = None) -> "Side":
        """A context manager: a block inside as the writer, from where `downgrade()` may be called.

        Raises `AcquireTimeoutError` on entry when `timeout` seconds are not enough, and
        `UpgradeError` when this thread is inside as a reader.
        """
        return Side(self, WRITE, timeout)

    def downgrade(self) -> None:
        """Turn from the writer into a reader, without letting another writer in between.

        Readers may join from now on (in a fair lock, those at the head of the queue). A block of
        `write()` then ends as one of `read()`; after `acquire_write()`, `release_read()` is due.
        """
        me = threading.current_thread()
        with self._mutex:
            holder = self._holders.get(me)
            if self._writer is not me or holder is None:
                raise self._misuse("cannot downgrade", me)
            if holder.count > 1:
                raise LockMisuseError(
                    f"cannot downgrade {self._described()}: thread {me.name!r} entered it "
                    f"{holder.count} times; leave the inner blocks first"
                )
            ended = self._end(holder, WRITE, me)
            self._writer = None
            self._holders[me] = _Holder(clock() if self._timed else 0, -1)
            self.reads.acquisitions += 1
            woken = self._grant()
        self._finish(woken, ended)
        for left in _hooks.on_left:
            left(self._info, None, me.ident or 0)
        for taken in _hooks.on_taken:
            taken(self._info, READ, None)

    def statistics(self) -> RWLockStatistics:
        """The figures at one moment. Counts and waits are always kept; holds while observed."""
        with self._mutex:
            writer = self._writer
            return RWLockStatistics(
                name=self._info.name,
                writer=owner_of(writer),
                readers=()
                if writer is not None
                else tuple(Owner(thread.ident or 0, thread.name) for thread in self._holders),
                readers_waiting=len(self._queue) - self._writers_waiting,
                writers_waiting=self._writers_waiting,
                reads=UseStatistics(**self.reads.figures()),
                writes=UseStatistics(**self.writes.figures()),
            )

    def __repr__(self) -> str:
        # Without the inner lock: a debugger may have stopped a thread that holds it.
        writer, holders = self._writer, self._holders.copy()
        if writer is not None:
            state = f"writer={writer.name}"
        elif holders:
            state = f"readers={names(holders)}"
        else:
            state = "free"
        waiting = len(self._queue)
        if waiting:
            state += f" waiting={waiting} ({self._writers_waiting} to write)"
        return self._repr(state)

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
        self._holders[thread] = _Holder(clock() if self._timed else 0, waited, after)

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

    def _end(self, holder: _Holder, mode: str, thread: threading.Thread) -> Hold | None:
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
                _hooks.waiting(self._queue),
                tuple(holder.since for holder in holders.values()),
                READ if self._writer is None else WRITE,
                reentrant=True,
            )
        ]


class Side:
    """A block inside an `RWLock`; made by its `read()` and `write()`."""

    __slots__ = ("_lock", "_mode", "_timeout")

    def __init__(self, lock: RWLock, mode: str, timeout: float | None) -> None:
        self._lock = lock
        self._mode = mode
        self._timeout = timeout

    def __enter__(self) -> Self:
        lock = self._lock
        if not lock._acquire(self._mode, True, self._timeout):
            raise AcquireTimeoutError(
                f"{lock._described()} could not be entered to {self._mode} within "
                f"{self._timeout:g} s: {names(lock._holders.copy()) or 'others'} inside"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Whichever way: the block may have called downgrade().
        self._lock._release(None)

    def downgrade(self) -> None:
        """`RWLock.downgrade()`, for the block that this object opened."""
        self._lock.downgrade()
