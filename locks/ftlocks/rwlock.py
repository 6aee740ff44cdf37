"""Many readers or one writer.

Worth its price where reads are long compared with a microsecond: every read changes the lock's own
state twice. What happens inside is `ftlocks._rwcore`'s. Must never change the lock's state but by
what that offers.
"""

import threading
from dataclasses import dataclass
from time import perf_counter_ns as clock
from types import TracebackType
from typing import Final, Self

from ftlocks import _hooks
from ftlocks._records import READ, WRITE
from ftlocks._rwcore import Holder, RWCore
from ftlocks.errors import (
    AcquireTimeoutError,
    LockMisuseError,
)
from ftlocks.statistics import Owner, UseStatistics, names, owner_of

# How often a waiting thread looks whether a holder has died. A guess: see `_records.POLL_SECONDS`.
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


class RWLock(RWCore):
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

    __slots__ = ()

    def __init__(self, name: str = "", *, fair: bool = False, statistics: bool = False) -> None:
        super().__init__(fair=fair, statistics=statistics)
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
            self._holders[me] = Holder(clock() if self._timed else 0, -1)
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
