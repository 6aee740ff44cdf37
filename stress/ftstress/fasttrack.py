"""Happens-before race detection: FastTrack (Flanagan and Freund, PLDI 2009) for Python objects.

Two accesses to the same variable, at least one of which changes it, race when nothing orders them:
no lock that one thread released and the other took later, no queue item, no start or end of a
thread. Whether they happened to collide in this run does not matter.

A thread's time is a number that grows whenever it tells others something; an access is remembered
as thread and time (an *epoch*), and ordered before the present when this thread's vector clock has
heard of that time. Reads are an epoch until two are unordered, and a set of epochs then. Variables
differ from the paper's in that containers have operations that are atomic in CPython and commute:
the tables below say which pairs of operations conflict.

**Double-checked locking** is correct in CPython, where storing a reference publishes what it
refers to. An unlocked read that decides something, beside a write under a lock, is no race when the
same thread is seen to look again once it holds a lock, before it releases any. Such a read is taken
to have seen all that the writer had done.

Each event holds one of a fixed set of locks, by object. Must never run code of the program under
test with one of them held, and hears nothing of what happens inside itself.
"""

import threading
from _thread import allocate_lock, get_ident
from collections import deque
from types import GeneratorType
from typing import Any, Final

from ftstress.atomicity import Atomicity, Pair
from ftstress.clocks import Access, Clock, Thread, join, unordered
from ftstress.containers import traits
from ftstress.events import GROW, ITEM, READ, RESHAPE, SCAN, TAKE, UPDATE, WRITE, Place, Sink
from ftstress.frames import Stack, stack
from ftstress.races import Race, Side, Violation
from ftstress.shadow import Shadow, Table, Variable, Whole

_ORDERED: Final[dict[int, tuple[int, ...]]] = {
    READ: (TAKE, RESHAPE),  # the index may mean another item
    WRITE: (SCAN, TAKE, RESHAPE),
    SCAN: (WRITE, GROW, TAKE, RESHAPE),
    GROW: (SCAN, RESHAPE),
    TAKE: (READ, WRITE, SCAN, RESHAPE),
    RESHAPE: (READ, WRITE, SCAN, GROW, TAKE, RESHAPE),
}
_BY_KEY: Final[dict[int, tuple[int, ...]]] = {
    READ: (RESHAPE,),
    WRITE: (SCAN, RESHAPE),
    SCAN: (WRITE, GROW, TAKE, RESHAPE),
    GROW: (SCAN, RESHAPE),
    TAKE: (SCAN, RESHAPE),
    RESHAPE: (READ, WRITE, SCAN, GROW, TAKE, RESHAPE),
}
# Keys that are compared without running anybody's code.
_PLAIN: Final = frozenset({str, int, bytes, bool, float, complex})
_STRIPES: Final = 64  # locks; more than threads that run at once
_GENERATOR: Final = "its position"


def _is_plain(key: Any) -> bool:
    if type(key) is tuple:
        return all(map(_is_plain, key))
    return type(key) in _PLAIN


class RaceDetector(Sink):
    """Finds races while it is subscribed. `races()` are those found up to now."""

    def __init__(self) -> None:
        self._table = Table()
        self._shadows = self._table.shadows
        self._locks = tuple(allocate_lock() for _ in range(_STRIPES))
        self._guard = allocate_lock()  # of what follows
        self._threads: dict[int, Thread] = {}  # by ident, while they run
        self._starting: dict[
            int, tuple[Any, Clock, Clock, Stack, str]
        ] = {}  # by id of the thread object
        self._all: list[Thread] = []
        self._found: dict[Any, Race] = {}
        self._rechecked: set[Place] = set()
        self._stale: dict[Any, Violation] = {}
        self._atomicity = Atomicity(self._violation)
        self.locks: Any = None  # what listens to locks at the same time, of `ftstress.lock_order`

    def races(self) -> list[Race]:
        """What has been found, in the order in which it was, double-checked reads left out."""
        with self._guard:
            found = list(self._found.values())
        return [race for race in found if not self._is_double_check(race)]

    def violations(self) -> list[Violation]:
        """Steps that are each locked, but not together, in the order in which they were found."""
        with self._guard:
            return list(self._stale.values())

    @property
    def accesses(self) -> int:
        """How many accesses have been told."""
        return sum(thread.accesses for thread in list(self._all))

    def threads(self) -> int:
        """How many threads have been seen."""
        return len(self._all)

    # Threads.

    def _here(self) -> Thread:
        ident = get_ident()
        try:
            return self._threads[ident]
        except KeyError:
            # Not started where it could be seen: taken to know all that has happened, so that
            # it raises no false alarm.
            vector: Clock = {}
            for other in list(self._all):
                vector = join(vector, other.vector)
            return self._new(vector, (), "")

    def _new(self, vector: Clock, origin: Stack, parent: str, name: str = "") -> Thread:
        ident = get_ident()
        if not name:
            # Not current_thread(): it would make an object that the program can see.
            known = threading._active.get(ident)  # type: ignore[attr-defined]
            name = f"thread {ident}" if known is None else known.name
        with self._guard:
            thread = Thread(len(self._all), name, vector, origin, parent)
            self._all.append(thread)
            self._threads[ident] = thread
        return thread

    def starts(self, thread: Any) -> None:
        me = self._here()
        self._starting[id(thread)] = (thread, me.vector, me.hard, stack(), me.name)
        me.tick(True)

    def begins(self, thread: Any) -> None:
        _, vector, hard, origin, parent = self._starting.pop(id(thread), (None, {}, {}, (), ""))
        me = self._new(vector, origin, parent, str(thread.name))
        me.hard = {**hard, **me.hard}

    def ends(self, thread: Any) -> None:
        me = self._here()
        shadow = self._table.of(thread)
        shadow.sender = (me.tid, "end of the thread", ())
        shadow.ended = me.vector
        shadow.hard = me.hard
        self._threads.pop(get_ident(), None)

    def joined(self, thread: Any) -> None:
        shadow = self._table.of(thread)
        if shadow.ended is not None:
            me = self._here()
            self._hear(me, shadow, shadow.ended)
            me.hard = join(me.hard, shadow.hard)

    # Order.

    def _lock_of(self, target: Any) -> Any:
        return self._locks[(id(target) >> 4) % _STRIPES]

    def _hear(self, me: Thread, shadow: Shadow, clock: Clock | None) -> None:
        if clock is None:
            return
        joined = join(me.vector, clock)
        if joined is not me.vector:
            # Its own time never comes back greater than it is.
            me.vector = joined
            sender = shadow.sender
            if sender is not None and sender[0] != me.tid:
                me.heard[sender[0]] = (sender[1], sender[2], stack())

    def holds(self, lock: Any, shared: bool) -> None:
        me = self._here()
        if me.busy:
            return
        me.busy = True
        try:
            shadow = self._table.of(lock)
            with self._lock_of(lock):
                self._hear(me, shadow, shadow.clock)
                me.hard = join(me.hard, shadow.hard)
                if not shared:
                    self._hear(me, shadow, shadow.readers)
                    shadow.readers = None
                    shadow.holder = me
            me.held.append(lock)
            me.serial += 1
            me.holds[lock] = me.serial
        finally:
            me.busy = False

    def lets_go(self, lock: Any, shared: bool) -> None:
        me = self._here()
        if me.busy:
            return
        me.busy = True
        try:
            shadow = self._table.of(lock)
            holder = me
            with self._lock_of(lock):
                if shared:
                    shadow.readers = join(shadow.readers, me.vector)
                else:
                    # Whoever did not take it may let it go: what the holder sent is kept.
                    if shadow.holder is me:
                        shadow.clock = me.vector
                    else:
                        holder = shadow.holder or me
                        shadow.clock = join(shadow.clock, me.vector)
                    shadow.holder = None
                shadow.sender = (me.tid, "lock", stack())
                inside = _is_inside(lock)
                if inside:
                    shadow.hard = join(shadow.hard, me.hard)
            held = holder.held
            for index in range(len(held) - 1, -1, -1):
                if held[index] is lock:
                    del held[index]
                    break
            holder.holds.pop(lock, None)
            me.checks.clear()
            me.tick(inside)
        finally:
            me.busy = False

    def send(self, channel: Any, what: str) -> None:
        me = self._here()
        if not me.busy:
            me.busy = True
            try:
                self._send(me, self._table.of(channel), channel, what)
            finally:
                me.busy = False

    def _send(self, me: Thread, shadow: Shadow, channel: Any, what: str) -> None:
        with self._lock_of(channel):
            shadow.clock = join(shadow.clock, me.vector)
            shadow.hard = join(shadow.hard, me.hard)
            shadow.sender = (me.tid, what, stack())
        me.tick(True)

    def receive(self, channel: Any, what: str) -> None:
        me = self._here()
        if not me.busy:
            me.busy = True
            try:
                shadow = self._table.of(channel)
                with self._lock_of(channel):
                    self._hear(me, shadow, shadow.clock)
                    me.hard = join(me.hard, shadow.hard)
            finally:
                me.busy = False

    # Accesses.

    def access(self, kind: int, target: Any, field: Any, site: Place) -> None:
        try:
            me = self._threads[get_ident()]
        except KeyError:
            me = self._here()
        if me.busy:
            return
        me.busy = True
        try:
            me.accesses += 1
            try:
                shadow = self._shadows[id(target)]
            except KeyError:
                shadow = self._table.of(target)
            if site.space == ITEM:
                self._item(me, shadow, kind, target, field, site)
            else:
                try:
                    variable = shadow.names[field]
                except KeyError:
                    variable = shadow.names.setdefault(field, Variable())
                self._variable(me, variable, kind, target, field, site)
        finally:
            me.busy = False

    def _item(
        self, me: Thread, shadow: Shadow, kind: int, target: Any, key: Any, site: Place
    ) -> None:
        whole = shadow.whole
        if whole is None:
            if type(target) is GeneratorType:
                variable = shadow.names.setdefault(_GENERATOR, Variable())
                self._variable(me, variable, kind, target, _GENERATOR, site)
                return
            whole = self._begin_whole(shadow, target)
        if whole.carries:
            # Documented as safe from both ends, so that an item carries a message.
            if kind == TAKE:
                with self._lock_of(target):
                    self._hear(me, shadow, shadow.clock)
                    me.hard = join(me.hard, shadow.hard)
            elif kind == GROW:
                self._send(me, shadow, target, "deque")
        if type(key) in _PLAIN or (type(key) is tuple and _is_plain(key)):
            try:
                variable = shadow.items[key]
            except KeyError:
                variable = shadow.items.setdefault(key, Variable())
            self._variable(
                me, variable, kind if kind in (READ, WRITE) else UPDATE, target, key, site
            )
        if kind == UPDATE:
            kind = GROW
        elif kind == SCAN and site.checks:
            self._note_check(me, whole, site)
        mine = whole.kinds[kind]
        if mine is not None and me.tid in mine and mine[me.tid].clock == me.clock:
            return  # the same epoch: others' accesses since have looked at that one
        self._whole(me, whole, kind, target, site)

    def _begin_whole(self, shadow: Shadow, target: Any) -> Whole:
        found = traits(type(target))
        base = object if found is None else found.base
        conflicts = _BY_KEY if base in (dict, set) else _ORDERED
        with self._lock_of(target):
            whole = shadow.whole
            if whole is None:
                whole = shadow.whole = Whole(conflicts, base is deque)
        return whole

    def _remember(self, me: Thread, kind: int, site: Place) -> Access:
        return Access(me.tid, me.clock, kind, site, stack(), tuple(me.held), me.vector)

    def _variable(
        self, me: Thread, variable: Variable, kind: int, target: Any, field: Any, site: Place
    ) -> None:
        if kind == READ and site.checks:
            self._note_check(me, variable, site)
        write = variable.write
        if write is not None and write.tid == me.tid and write.clock == me.clock:
            # What races with a read in the epoch of an own write races with that write too.
            if kind == READ:
                return
            read = variable.read
            alone = read is None or (type(read) is Access and read.tid == me.tid)
            if kind == WRITE and alone and not variable.updates:
                return
        elif kind == READ:
            read = variable.read
            if type(read) is Access and read.tid == me.tid and read.clock == me.clock:
                return
        with self._lock_of(target):
            now = self._remember(me, kind, site)
            if me.held:
                self._atomicity.seen(me, variable, now, target, field, True)
            elif me.reads:
                me.reads.pop(variable, None)
            write = variable.write
            if write is not None and unordered(write, me.vector):
                self._race(me, write, now, target, field)
            if kind != UPDATE and variable.updates:
                for update in variable.updates.values():
                    if unordered(update, me.vector):
                        self._race(me, update, now, target, field)
            if kind == READ:
                self._read(me, variable, now)
                return
            read = variable.read
            if type(read) is Access:
                if unordered(read, me.vector):
                    self._race(me, read, now, target, field)
            elif read is not None:
                for one in read.values():  # type: ignore[union-attr]
                    if unordered(one, me.vector):
                        self._race(me, one, now, target, field)
            variable.read = None
            if kind == WRITE:
                variable.write = now
                variable.updates = None
            else:
                if variable.updates is None:
                    variable.updates = {}
                variable.updates[me.tid] = now

    def _read(self, me: Thread, variable: Variable, now: Access) -> None:
        read = variable.read
        if read is None:
            variable.read = now
        elif type(read) is Access:
            if not unordered(read, me.vector):
                variable.read = now  # ordered after the last one
            else:
                variable.read = {read.tid: read, now.tid: now}
        else:
            read[now.tid] = now  # type: ignore[index]

    def _whole(self, me: Thread, whole: Whole, kind: int, target: Any, site: Place) -> None:
        kinds = whole.kinds
        with self._lock_of(target):
            now = self._remember(me, kind, site)
            if me.held:
                self._atomicity.seen(me, whole, now, target, None, site.checks)
            elif me.reads:
                me.reads.pop(whole, None)
            for other in whole.conflicts[kind]:
                seen = kinds[other]
                if seen:
                    for access in seen.values():
                        if unordered(access, me.vector):
                            self._race(me, access, now, target, None)
            if kind == RESHAPE:
                kinds[:] = [None] * len(kinds)  # whoever is ordered after this is after those
            if kinds[kind] is None:
                kinds[kind] = {}
            kinds[kind][me.tid] = now  # type: ignore[index]

    # Findings.

    def _note_check(self, me: Thread, variable: Any, site: Place) -> None:
        depth = len(me.held)
        if variable in me.checks:
            first, before = me.checks[variable]
            if depth > before:
                self._rechecked.add(first)
                return
        elif len(me.checks) > 256:
            me.checks.clear()
        me.checks[variable] = (site, depth)

    @staticmethod
    def _unlocked_check(one: Access, other: Access) -> bool:
        """Whether `one` may be the first look of a double check against `other`."""
        return (
            one.site.checks
            and one.kind in (READ, SCAN)
            and other.kind not in (READ, SCAN)
            and bool(other.held)
            and not any(lock in one.held for lock in other.held)
        )

    def _is_double_check(self, race: Race) -> bool:
        return race.check is not None and race.check in self._rechecked

    def _race(self, me: Thread, first: Access, second: Access, target: Any, field: Any) -> None:
        check = None
        if self._unlocked_check(first, second):
            check = first.site
        elif self._unlocked_check(second, first):
            check = second.site
            me.vector = join(me.vector, first.vector)
        pair = (frozenset((first.site.where, second.site.where)), first.site.name)
        with self._guard:
            if pair in self._found:
                found = self._found[pair]
                found.count += 1
                if check is not None or found.check is None:
                    return
            self._found[pair] = Race(
                owner=type(target).__name__,
                field=field,
                first=self._side(first),
                second=self._side(second),
                heard=me.heard[first.tid] if first.tid in me.heard else None,
                check=check,
            )

    def _violation(self, pair: Pair, other: Access, target: Any, field: Any) -> None:
        places = (pair.read.site.where, pair.write.site.where, pair.write.site.name)
        with self._guard:
            if places in self._stale:
                self._stale[places].count += 1
                return
            self._stale[places] = Violation(
                owner=type(target).__name__,
                field=field,
                first=self._side(pair.read),
                second=self._side(pair.write),
                writer=self._side(other),
            )

    def _side(self, access: Access) -> Side:
        thread = self._all[access.tid]
        return Side(
            kind=access.kind,
            site=access.site,
            stack=access.stack,
            thread=thread.name,
            tid=thread.tid,
            origin=thread.origin,
            parent=thread.parent,
            held=tuple(map(_describe_lock, access.held)),
        )


def _describe_lock(lock: Any) -> str:
    """A lock as reports name it."""
    info = getattr(lock, "_info", None)
    if info is not None:
        return str(info.label)
    made = getattr(lock, "_made", None)
    if made is not None:
        kind = type(lock).__name__.removeprefix("Traced")
        if isinstance(made, str):  # under a schedule
            return f"{kind}{made.replace(' of ', ' made at ')}"
        return f"{kind} made at {made.where[0]}:{made.where[1]}"
    return f"the lock of key {lock.key!r}" if hasattr(lock, "key") else type(lock).__name__


def _is_inside(lock: Any) -> bool:
    """Whether a lock is a part of another primitive, so that what it orders is a message."""
    return bool(getattr(getattr(lock, "_made", None), "inside", False))
