"""Locks that are taken in opposite orders, and threads that wait for each other for ever.

Orders are found by `ftlocks.order`, which hears of `threading`'s locks through the events of
instrumented runs and of those of `ftlocks` by itself: one run through both orders is enough, and
nothing need have blocked. A ring of waiting threads is found by the thread that closes it, before
it blocks; it gets a `DeadlockError`, so that the run comes to its end. Must never hold its own lock
while the program goes on.
"""

import threading
from _thread import allocate_lock, get_ident
from dataclasses import replace
from typing import Any, NamedTuple

import ftlocks
from ftlocks._records import EXCLUSIVE, LockInfo
from ftlocks._sites import Site
from ftlocks.order import OrderReport
from ftstress.events import Sink
from ftstress.frames import Stack, is_machinery, stack
from ftstress.sync import TracedLock, TracedRLock

_TRACED = (TracedLock, TracedRLock)


class Waiting(NamedTuple):
    """One thread of a deadlock: it waits for `lock`, which `holder` has."""

    thread: str
    lock: str
    holder: str
    stack: Stack


class Deadlock(NamedTuple):
    """Threads that wait for each other; the last one has closed the ring."""

    ring: tuple[Waiting, ...]

    @property
    def text(self) -> str:
        """The report."""
        lines = ["DEADLOCK: each of these threads waits for the next one's lock"]
        lines += [
            f"  {w.thread!r} waits for the {w.lock}, which {w.holder!r} has" for w in self.ring
        ]
        return "\n".join(lines)


class LockOrder(Sink):
    """Finds both while it is subscribed; `start()` and `stop()` are for `ftlocks`' own locks."""

    def __init__(self) -> None:
        self._checker: Any = None
        self._guard = allocate_lock()  # of what follows
        self._reports: list[OrderReport] = []
        self._deadlocks: list[Deadlock] = []
        self._holders: dict[int, tuple[int, str]] = {}  # by lock: thread, and its name
        self._waiting: dict[int, tuple[Any, Stack]] = {}  # by thread

    def start(self) -> None:
        """Hear of `ftlocks`' primitives."""
        self._checker = ftlocks.check_order(self._found)

    def stop(self) -> None:
        """Hear of them no more; what was found stays."""
        if self._checker is not None:
            self._checker.stop()

    def orders(self) -> list[OrderReport]:
        """Rings of locks, each reported once."""
        with self._guard:
            return list(self._reports)

    def deadlocks(self) -> list[Deadlock]:
        """Rings of threads that really waited for each other."""
        with self._guard:
            return list(self._deadlocks)

    def _found(self, report: OrderReport) -> None:
        # That a thread takes a lock twice may be meant: another one lets it go.
        if report.kind == "recursion":
            return
        steps = tuple(
            replace(
                step,
                held_stack=_without_tool(step.held_stack),
                wanted_stack=_without_tool(step.wanted_stack),
            )
            for step in report.steps
        )
        with self._guard:
            self._reports.append(replace(report, steps=steps))

    def wants(self, lock: Any) -> None:
        info = _info(lock)
        if info is None:
            return
        self._checker.taking(info, EXCLUSIVE, True, None)
        me, where = get_ident(), stack()
        with self._guard:
            self._waiting[me] = (lock, where)
            ring = self._ring(me)
            if ring is not None:
                del self._waiting[me]
                self._deadlocks.append(Deadlock(ring))
        if ring is not None:
            raise ftlocks.DeadlockError(Deadlock(ring).text)

    def holds(self, lock: Any, shared: bool) -> None:
        info = _info(lock)
        if info is None:
            return
        me = get_ident()
        with self._guard:
            self._waiting.pop(me, None)
            self._holders[id(lock)] = (me, _name())
        self._checker.taken(info, EXCLUSIVE, None)

    def lets_go(self, lock: Any, shared: bool) -> None:
        info = _info(lock)
        if info is None:
            return
        with self._guard:
            owner, _ = self._holders.pop(id(lock), (get_ident(), ""))
        self._checker.left(info, None, owner)

    def _ring(self, me: int) -> tuple[Waiting, ...] | None:
        found: list[Waiting] = []
        thread, name = me, _name()
        while thread in self._waiting:
            lock, where = self._waiting[thread]
            if id(lock) not in self._holders:
                return None
            holder, holder_name = self._holders[id(lock)]
            found.append(Waiting(name, _label(lock), holder_name, where))
            if holder == me:
                # A plain Lock that one wants twice, another may let go.
                return tuple(found) if len(found) > 1 else None
            if len(found) > len(self._waiting):
                return None  # a ring that does not go through this thread
            thread, name = holder, holder_name
        return None


def _info(lock: Any) -> LockInfo | None:
    """What `ftlocks.order` knows a lock by; None for one that it hears of by itself."""
    if not isinstance(lock, _TRACED) or lock._made.inside:
        return None
    if lock.order is None:
        made = LockInfo(type(lock).__name__.removeprefix("Traced"), "", None)
        made._code, made._instruction = lock._made.code, lock._made.instruction
        lock.order = made
    found: LockInfo = lock.order
    return found


def _label(lock: Any) -> str:
    info = _info(lock)
    return "lock" if info is None else info.label


def _name() -> str:
    known = threading._active.get(get_ident())  # type: ignore[attr-defined]
    return f"thread {get_ident()}" if known is None else str(known.name)


def _without_tool(site: Site) -> Site:
    pairs = zip(site[::2], site[1::2], strict=True)
    return tuple(
        part for code, at in pairs if not is_machinery(code.co_filename) for part in (code, at)
    )
