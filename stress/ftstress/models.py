"""Stand-ins for what threads block in, built on the controlled scheduler.

Only the lowest layer is modelled: locks, a condition's wait and `SimpleQueue` here, threads in
`ftstress.model_threads`, time in `ftstress.model_clock`. `Event`, `Semaphore`, `Barrier`, `Timer`,
`queue.Queue`, `Future`, `ThreadPoolExecutor` and `ftlocks` are the real code over these. A model
that is made by a thread which is not controlled is the real thing; one that outlives its run works
as long as nobody has to wait. Must never block in anything but `control.block`.
"""

import queue
import threading
from _thread import RLock as RealRLock
from _thread import allocate_lock as real_allocate_lock
from _thread import get_ident
from collections import deque
from typing import Any, Final, Self

from ftstress import control
from ftstress.effects import ACQUIRE, ATTEMPT, RELEASE
from ftstress.events import READ, WRITE, tell
from ftstress.tasks import Task


class Lock:
    """`threading.Lock`. Any enabled thread may be the next to get it."""

    _kind = "Lock"
    _tells = True
    _owner: Task | None
    _held: bool
    _made: str

    def __new__(cls) -> Any:
        if control.me() is None:
            return real_allocate_lock()
        return cls.modelled()

    @classmethod
    def modelled(cls) -> Self:
        """A model even where nothing is under control yet."""
        lock = object.__new__(cls)
        lock._owner = None
        lock._held = False
        lock._made = control.here()
        return lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        _check_timeout(blocking, timeout)
        operation = f"{self._kind}.acquire"
        if not blocking or timeout == 0:
            control.point(operation, self, ATTEMPT)
            if self._held:
                return False
        else:
            seconds = None if timeout < 0 else timeout
            got = control.wait_at(operation, self, ACQUIRE, self._is_free, seconds, self._state)
            if got is False:
                return False
            if got is None and self._held:
                needed(None, self)
        self._take(control.me())
        return True

    def release(self) -> None:
        if not self._held:
            if control.unwinds():
                return
            raise RuntimeError("release unlocked lock")
        if self._tells and tell.lets_go is not None and not control.unwinds():
            tell.lets_go(self, False)
        control.touch(self, RELEASE)
        self._held = False
        self._owner = None

    def locked(self) -> bool:
        control.point(f"{self._kind}.locked", self, ATTEMPT)
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self._held else 'unlocked'} modelled {self._kind}>"

    def _take(self, task: Task | None) -> None:
        self._held = True
        self._owner = task
        if self._tells and tell.holds is not None:
            tell.holds(self, False)

    def _is_free(self) -> bool:
        return not self._held

    def _state(self) -> str:
        owner = "" if self._owner is None else f" held by {self._owner.name}"
        return f"the {self._kind}{self._made}{owner}"

    def _is_owned(self) -> bool:
        return self._held  # as far as a plain lock can tell

    def _release_save(self) -> object:
        self.release()
        return None

    def _acquire_restore(self, _state: object) -> None:
        self.acquire()

    def _at_fork_reinit(self) -> None:
        self._held = False
        self._owner = None


class InnerLock(Lock):
    """One that guards only its owner's state, as an RWLock's: it orders nobody's data."""

    _tells = False


class RLock(Lock):
    """`threading.RLock`."""

    _kind = "RLock"
    _count: int
    _ident: int

    def __new__(cls) -> Any:
        if control.me() is None:
            return RealRLock()
        return cls.modelled()

    @classmethod
    def modelled(cls) -> Self:
        lock = super().modelled()
        lock._count = 0
        lock._ident = 0
        return lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._held and self._ident == get_ident():
            self._count += 1
            return True
        if not super().acquire(blocking, timeout):
            return False
        self._ident = get_ident()
        self._count = 1
        return True

    def release(self) -> None:
        if not self._is_owned():
            if control.unwinds():
                return
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            super().release()

    def _is_owned(self) -> bool:
        return self._held and self._ident == get_ident()

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _release_save(self) -> object:
        count, self._count = self._count, 1
        self.release()
        return count

    def _acquire_restore(self, state: Any) -> None:
        self.acquire()
        self._count = state

    def _at_fork_reinit(self) -> None:
        super()._at_fork_reinit()
        self._count = 0

    def __repr__(self) -> str:  # `ftlocks` reads the owner out of a C RLock's repr
        owner = self._ident if self._held else 0
        state = "locked" if self._held else "unlocked"
        return f"<{state} modelled RLock owner={owner} count={self._count} at {id(self):#x}>"


class Condition(threading.Condition):
    """`threading.Condition`: notifications go to those who wait in their order of arrival."""

    _waiters: deque[Any]

    def __new__(cls, *arguments: Any) -> Any:
        if control.me() is None:
            return _RealCondition(*arguments)
        return super().__new__(cls)

    def wait(self, timeout: float | None = None) -> bool:
        task = control.me()
        if task is None:
            return super().wait(timeout)
        if not self._is_owned():  # type: ignore[attr-defined]
            raise RuntimeError("cannot wait on un-acquired lock")
        control.point("Condition.wait", self)
        ticket = _Ticket()
        self._waiters.append(ticket)
        state = self._release_save()  # type: ignore[attr-defined]
        notified = False
        try:
            if timeout is None or timeout > 0:
                notified = control.block(task, ticket.is_given, timeout, "a notification", self)
                control.touch(ticket, READ)
        finally:
            self._acquire_restore(state)  # type: ignore[attr-defined]
            if not notified and ticket in self._waiters:
                self._waiters.remove(ticket)
        return notified


_RealCondition: Final = threading.Condition


class _Ticket:
    """In a condition's queue in place of a locked lock: `notify()` releases it."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given = False

    def is_given(self) -> bool:
        return self._given

    def release(self) -> None:
        if self._given:
            raise RuntimeError("release unlocked lock")  # as `notify()` expects of a lock
        self._given = True
        control.touch(self, WRITE)


class _Letter:
    """One item on its way, which is the channel of its own message."""

    __slots__ = ("__weakref__", "item")

    def __init__(self, item: Any) -> None:
        self.item = item


class SimpleQueue:
    """`queue.SimpleQueue`."""

    def __new__(cls) -> Any:
        if control.me() is None:
            return _RealSimpleQueue()
        made = object.__new__(cls)
        made._items = deque()
        return made

    _items: deque[Any]

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        control.point("SimpleQueue.put", self)
        letter = _Letter(item)
        if tell.send is not None:
            tell.send(letter, "queue item")
        self._items.append(letter)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        if not block:
            control.point("SimpleQueue.get", self)
        else:
            got = control.wait_at(
                "SimpleQueue.get", self, WRITE, self._has_items, timeout, "an item"
            )
            if got is None and not self._items:
                needed(None, self)
        if not self._items:
            raise queue.Empty
        letter = self._items.popleft()
        if tell.receive is not None:
            tell.receive(letter, "queue item")
        return letter.item

    def put_nowait(self, item: Any) -> None:
        self.put(item)

    def get_nowait(self) -> Any:
        return self.get(False)

    def empty(self) -> bool:
        control.point("SimpleQueue.empty", self, READ)
        return not self._items

    def qsize(self) -> int:
        control.point("SimpleQueue.qsize", self, READ)
        return len(self._items)

    def _has_items(self) -> bool:
        return bool(self._items)


_RealSimpleQueue: Final = queue.SimpleQueue


def needed(task: Task | None, thing: object) -> Task:
    """The waiting task; RuntimeError where nobody is under control."""
    if task is None:
        raise RuntimeError(
            f"{thing!r} was made under a schedule and is used outside of it, where nobody can wait "
            f"for it; make a new one"
        )
    return task


def _check_timeout(blocking: bool, timeout: float) -> None:
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")
