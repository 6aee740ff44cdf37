"""What the primitives that are written in Python have in common: a name, and a queue to wait in.

A thread that has to wait enters a `Waiter` into a queue under the primitive's inner lock, and
sleeps on the waiter's own gate. Whoever lets it in does so under that inner lock, by setting
`granted`, and opens the gate afterwards: nobody can get in between, and a thread that gives up
finds out under the same lock whether it has been let in meanwhile. Must never sleep, nor run a
caller's code, with the inner lock held.
"""

from _thread import allocate_lock
from collections import deque
from time import perf_counter_ns as clock
from typing import NoReturn

from ftlocks import _hooks, _records
from ftlocks._records import LockInfo, LockState, Waiter
from ftlocks._sites import capture
from ftlocks.statistics import Tally

PUBLIC = __name__.partition(".")[0]  # the package that reprs name, whatever module a class is in


class Named:
    """A registered primitive that cannot be copied."""

    __slots__ = ("__weakref__", "_info")

    _info: LockInfo

    def _register(self, name: str, kind: str = "") -> None:
        """To be called at the end of `__init__`."""
        _hooks.register(self, kind or type(self).__name__, name)
        _hooks.begin(self)

    @property
    def name(self) -> str:
        """The name it was given, "" without."""
        return self._info.name

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r}: its meaning is identity")

    def _described(self) -> str:
        """As messages name it."""
        return f"{self._info.kind} {self._info.label!r}"

    def _repr(self, state: str) -> str:
        label = f" {self._info.name!r}" if self._info.name else ""
        return f"<{PUBLIC}.{type(self).__qualname__}{label} at {id(self):#x}: {state}>"

    def _observe(self, on: bool) -> None:
        """Nothing to switch: what this one keeps is always kept."""

    def _states(self) -> list[LockState]:
        return []


class Regulars:
    """Threads that do something again and again, as far as one can tell: all that ever did.

    Args:
        most: with more than so many threads nobody can tell.
    """

    __slots__ = ("_idents", "_most")

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._idents: set[int] = set()

    def came(self, ident: int) -> None:
        """Note that this thread did it."""
        if ident not in self._idents and len(self._idents) <= self._most:
            self._idents.add(ident)

    def known(self) -> frozenset[int] | None:
        """Who did; None where there are too many, or none, to expect one of them."""
        idents = frozenset(self._idents.copy())
        return idents if 0 < len(idents) <= self._most else None


class Queued(Named):
    """A primitive with an inner lock and one queue."""

    __slots__ = ("_mutex", "_queue", "_tally")

    # What its waiters wait for, as told to observers.
    _mode = ""

    def __init__(self) -> None:
        self._mutex = allocate_lock()  # guards the queue, the tally and the subclass's state
        self._queue: deque[Waiter] = deque()
        self._tally = Tally()

    def _park(self, waiter: Waiter, timeout: float | None) -> bool:
        """Sleep until let in (True) or out of time (False); the waiter is in the queue already."""
        gate = waiter.gate
        assert gate is not None
        if _hooks.site_depth:
            waiter.site = capture(_hooks.site_depth)
        try:
            if timeout is None:
                gate.acquire()
            elif timeout > 0:
                gate.acquire(True, timeout)
        except BaseException:
            if not self._withdraw(waiter):
                self._undo(waiter)
            raise
        granted = waiter.granted or not self._withdraw(waiter)
        if _hooks.on_waited:
            waited = clock() - waiter.since_ns
            for told in _hooks.on_waited:
                told(self._info, waiter.mode, waited, granted)
        if waiter.error is not None and not granted:
            raise waiter.error
        return granted

    def _admit(self, waiter: Waiter) -> None:
        """Let one in that has been taken from the queue; called with the inner lock held."""
        waiter.granted = True
        self._tally.acquisitions += 1
        self._tally.contended(clock() - waiter.since_ns)

    def _withdraw(self, waiter: Waiter) -> bool:
        """Stop waiting; False when let in meanwhile."""
        with self._mutex:
            if waiter.granted:
                return False
            self._leave_queue(waiter)
            self._tally_for(waiter).contended(clock() - waiter.since_ns)
            return True

    def _tally_for(self, waiter: Waiter) -> Tally:
        return self._tally

    def _leave_queue(self, waiter: Waiter) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)

    def _undo(self, waiter: Waiter) -> None:
        """Give back what the waiter was let in for: an exception reached it at that moment."""

    def _states(self) -> list[LockState]:
        return [LockState(self._info, None, (), _records.waiting(self._queue))]

    def _at_fork_reinit(self) -> None:
        """Usable again, in the child of a fork: the threads that waited do not exist there."""
        self._mutex = allocate_lock()
        self._queue.clear()
