"""Finds locks that are taken in contradictory orders, before anything has blocked.

The method is lockdep's (Linux, Documentation/locking/lockdep-design.rst): locks are put in classes,
by name or else by the line that made them; each thread keeps what it holds; what is wanted while
something is held adds an edge to a graph of classes, and the first ring in it is reported, with
both stacks of each edge. The stress of making the deadlock happen is not needed, as with Eraser's
locksets (Savage et al., SOSP 1997): one run through both pieces of code is enough, at any time, by
any thread.

An acquisition takes no shared lock: an edge that a thread has seen before is one look into a set of
its own. Must never use a primitive of this package.
"""

import logging
import threading
from _thread import allocate_lock
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

from ftlocks import _hooks
from ftlocks._hooks import Observer
from ftlocks._orderclass import declared, label_of, node_of
from ftlocks._ordergraph import Edge, Graph, shrink
from ftlocks._records import LockInfo
from ftlocks._sites import Site, capture
from ftlocks._stacks import DEPTH, place, written
from ftlocks.errors import LockOrderError
from ftlocks.local import ThreadLocal
from ftlocks.statistics import owner_named

_log: Final = logging.getLogger("ftlocks.order")

# Edges beyond this are not learned: names made up at run time would otherwise fill the memory.
MAX_EDGES: Final = 1 << 16

type Kind = Literal["inversion", "recursion", "declared order"]


@dataclass(frozen=True, slots=True)
class OrderStep:
    """A lock was wanted while another was held, by `thread`; both stacks are innermost first."""

    held: str
    wanted: str
    thread: str
    held_stack: Site
    wanted_stack: Site

    def __str__(self) -> str:
        return (
            f"  thread {self.thread!r} held {self.held} and wanted {self.wanted}:\n"
            f"    {self.held} had been taken at {place(self.held_stack)}\n"
            f"{written(self.held_stack, '    ')}\n"
            f"    {self.wanted} was wanted at {place(self.wanted_stack)}\n"
            f"{written(self.wanted_stack, '    ')}"
        )


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What was found; ``str()`` of it is what a person should read.

    Args:
        kind: "inversion" is a ring of locks; "recursion" a lock that its holder wants again and
            that is not reentrant; "declared order" one that comes before a held one of its class.
        locks: the locks of the ring, or the one or two in question, as messages name them.
        steps: for each what was held and wanted, in the order of the ring.
    """

    kind: Kind
    locks: tuple[str, ...]
    steps: tuple[OrderStep, ...]

    @property
    def summary(self) -> str:
        """One line."""
        if self.kind == "recursion":
            return f"{self.locks[0]} is wanted by the thread that holds it, and is not reentrant"
        if self.kind == "declared order":
            return f"{self.locks[1]} is wanted after {self.locks[0]}, against their declared order"
        return "lock order inversion: " + " -> ".join((*self.locks, self.locks[0]))

    def __str__(self) -> str:
        ends = {
            "inversion": "Nothing is blocked yet, but threads that do these at the same time wait "
            "for each other for ever. Take the locks in one order everywhere.",
            "recursion": "It waits for itself, unless another thread lets the lock go. Use an "
            "RLock, or take the lock once.",
            "declared order": "Take them in the order in which declare_order() named them.",
        }
        return "\n".join([self.summary, *map(str, self.steps), ends[self.kind]])


class _Held:
    """A lock that a thread has; `node` is its class with the side taken, as a number."""

    __slots__ = ("info", "key", "node", "stack")

    def __init__(self, info: LockInfo, key: object, node: int, stack: Site) -> None:
        self.info = info
        self.key = key
        self.node = node
        self.stack = stack


class _Thread:
    """What one thread holds, and what it has seen; touched by that thread alone.

    The exception is a `Lock` that another thread releases.
    """

    __slots__ = ("busy", "gated", "held", "known")

    def __init__(self) -> None:
        self.held: list[_Held] = []
        self.known: set[object] = set()
        self.gated: dict[object, frozenset[int]] = {}
        self.busy = False


class OrderChecker(Observer):
    """Watches in which order locks are taken; made by `check_order`.

    `reports` has what was found so far, each ring of classes once.
    """

    def __init__(self, on_report: Callable[[OrderReport], object] | None, *, strict: bool) -> None:
        self._on_report = _log_report if on_report is None else on_report
        self._strict = strict
        self._threads: ThreadLocal[_Thread] = ThreadLocal(_Thread)
        self._lock = allocate_lock()  # guards all that follows
        self._by_class = Graph()
        self._by_lock = Graph()
        self._reported: dict[Hashable, OrderReport] = {}

    @property
    def reports(self) -> tuple[OrderReport, ...]:
        """What was found, oldest first."""
        with self._lock:
            return tuple(self._reported.values())

    @property
    def edges(self) -> int:
        """How many pairs, held and wanted, are known: at most 65,536 of classes, and of locks."""
        return len(self._by_class) + len(self._by_lock)

    def stop(self) -> None:
        """Check no more; `reports` stay. More than once is no error."""
        _hooks.remove_observer(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- what the primitives tell -----------------------------------------------------------------

    def taking(self, lock: LockInfo, mode: str, blocking: bool, key: object) -> None:
        """See `Observer`. `LockOrderError` when strict and something was found."""
        thread = self._threads.get()
        if thread.busy:
            return
        node = node_of(lock, mode)
        if mode == "write" and ("written", node) not in thread.known:
            thread.known.add(("written", node))
            self._write(thread, node >> 1)
        # A try cannot wait, so nobody waits for this thread's locks on its account.
        if not thread.held or not blocking:
            return
        for held in thread.held:
            if held.node >> 1 != node >> 1:
                pair: object = held.node << 32 | node
            else:
                pair = (held.info.id, held.key, lock.id, key)
            if pair not in thread.known:
                self._meet(thread, held, lock, key, node, pair)

    def taken(self, lock: LockInfo, mode: str, key: object) -> None:
        """See `Observer`."""
        thread = self._threads.get()
        if not thread.busy:
            thread.held.append(_Held(lock, key, node_of(lock, mode), capture(DEPTH)))

    def left(self, lock: LockInfo, key: object, thread: int) -> None:
        """See `Observer`."""
        mine = self._threads.get()
        if mine.busy or _drop(mine.held, lock, key) or thread == threading.get_ident():
            return
        for ident, other in self._threads.items():  # a Lock that another thread had taken
            if ident == thread:
                _drop(other.held, lock, key)

    # --- what follows from it -------------------------------------------------------------------

    def _meet(
        self, thread: _Thread, held: _Held, lock: LockInfo, key: object, node: int, pair: object
    ) -> None:
        """Look at a pair that this thread has not seen, or not without a guard."""
        guards = frozenset(
            other.info.id for other in thread.held if other is not held and not other.node & 1
        )
        if pair in thread.gated and thread.gated[pair] <= guards:
            return
        if held.info is lock and held.key == key:
            self._tell(thread, "recursion", pair, (_edge(held, lock, key, node, guards),))
            return
        by_class = held.node >> 1 != node >> 1
        if not by_class:
            order = declared(held.info, lock)
            if order is True:
                thread.known.add(pair)
                return
            if order is False:
                found = _edge(held, lock, key, node, guards)
                self._tell(thread, "declared order", ("declared", node), (found,))
                return
        graph = self._by_class if by_class else self._by_lock
        if len(graph) >= MAX_EDGES:
            return
        edge = _edge(held, lock, key, node, guards)
        if not by_class:
            edge.source, edge.target = (held.info.id, held.key), (lock.id, key)
        with self._lock:
            known = graph.find(edge)
            if known is None:
                graph.add(edge)
                ring = graph.ring(edge)
            else:
                ring = graph.ring(known) if shrink(known, guards) else ()
                edge = known
            if ring and self._strict and known is None:
                graph.remove(edge)  # it will not come to pass, and is found again next time
        if not ring or not self._strict:
            if edge.guards:
                thread.gated[pair] = edge.guards
            else:
                thread.known.add(pair)
        if ring:
            self._tell(thread, "inversion", frozenset(step.source for step in ring), ring)

    def _write(self, thread: _Thread, number: int) -> None:
        with self._lock:
            rings = [] if self._by_class.is_written(number) else self._by_class.write(number)
        for ring in rings:
            self._tell(thread, "inversion", frozenset(step.source for step in ring), ring)

    def _tell(
        self, thread: _Thread, kind: Kind, identity: Hashable, edges: tuple[Edge, ...]
    ) -> None:
        locks = tuple(edge.held for edge in edges)
        if kind == "declared order":
            locks = (edges[0].held, edges[0].wanted)
        report = OrderReport(
            kind,
            locks,
            tuple(
                OrderStep(e.held, e.wanted, e.thread, e.held_stack, e.wanted_stack) for e in edges
            ),
        )
        with self._lock:
            new = (kind, identity) not in self._reported
            if new:
                self._reported[kind, identity] = report
        if new:
            thread.busy = True  # what is called now may lock: it is not the program's order
            try:
                self._on_report(report)
            finally:
                thread.busy = False
        if self._strict:
            raise LockOrderError(report)
        if kind != "inversion":
            thread.known.add(identity)


def _drop(held: list[_Held], lock: LockInfo, key: object) -> bool:
    for index in range(len(held) - 1, -1, -1):
        if held[index].info is lock and held[index].key == key:
            del held[index]
            return True
    return False


def _edge(held: _Held, lock: LockInfo, key: object, node: int, guards: frozenset[int]) -> Edge:
    return Edge(
        held.node >> 1,
        node >> 1,
        bool(held.node & 1),
        bool(node & 1),
        label_of(held.info, held.key, held.node),
        label_of(lock, key, node),
        _my_name(),
        held.stack,
        capture(DEPTH),
        guards,
    )


def _my_name() -> str:
    # Not current_thread(): a thread takes locks before it has entered itself among the others.
    owner = owner_named(threading.get_ident())
    return owner.name if owner is not None and owner.name else str(threading.get_ident())


def _log_report(report: OrderReport) -> None:
    _log.warning("%s", report)


def check_order(
    on_report: Callable[[OrderReport], object] | None = None, *, strict: bool = False
) -> OrderChecker:
    """Begin to check the order in which all locks are taken; ends with `stop()`, or as a block.

    ::

        with ftlocks.check_order() as checker:
            run_everything_once()
        assert not checker.reports

    Locks of one name, or made by one line, are one class. A ring of classes is reported once, when
    its last edge is first seen. Two locks of one class are told apart: only those that are taken in
    both orders, or against `declare_order()`, are reported. A try (``acquire(False)``) adds no edge
    but counts as held afterwards; reentrant acquisitions count as nothing; readers count among
    themselves once a writer has been seen; a ring all of whose edges were made under one more lock
    is harmless. An acquisition with a timeout counts like one without.

    Made for development and tests: locks cost a few microseconds while it is on.

    Args:
        on_report: called once for each finding, on the thread that found it, which may hold locks;
            must not raise. By default findings are logged (``ftlocks.order``, warning).
        strict: raise `LockOrderError` in place of an acquisition that completes a ring.
    """
    checker = OrderChecker(on_report, strict=strict)
    _hooks.add_observer(checker, sample=1 << 20)
    return checker
