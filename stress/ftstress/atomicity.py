"""Atomicity: steps that belong together, each of them locked, but not all together.

The pattern is AVIO's (Lu, Tucek, Qin and Zhou, ASPLOS 2006): two accesses of one thread to one
variable between which another thread's write fits that no serial order explains. Here the first is
a read and the second a write that was not preceded by another look: the *stale value* of Artho,
Havelund and Biere (ATVA 2004). As with races, the write need not have come in between in this run:
it is enough that nothing but the locks in question orders it, by a second set of vector clocks that
leaves out the program's own locks.

To raise few false alarms, a read and a write belong together only if the write comes after the
read on a way through one call of a function that turns back in no loop, and that call made both
itself or by functions it called, no deeper than `_DEPTH`; a hold that also wrote the variable
claims it and is no check; and another lock that is held all the while protects from writers who
hold it as well. Must never be called but with the detector's lock of the variable held.
"""

import ast
import dis
import sys
from _thread import allocate_lock
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from ftstress.clocks import Access, Clock, Thread
from ftstress.events import READ, RESHAPE, SCAN, TAKE, WRITE
from ftstress.frames import is_machinery

# Calls between the function that both accesses belong to and each of them.
_DEPTH: Final = 2
_REMEMBERED: Final = 256  # reads of one thread that a write may still come to
_PLACES: Final = 64  # at which one variable is known to be changed
_CHANGES: Final = frozenset({WRITE, TAKE, RESHAPE})


class Read(NamedTuple):
    """A locked read that may turn out to have been a check.

    Args:
        holds: for each lock that was held, the number of that hold.
        calls: the calls of the program that led to it, innermost first.
    """

    access: Access
    holds: dict[Any, int]
    calls: tuple[tuple[int, CodeType, int], ...]
    hard: Clock


class Pair(NamedTuple):
    """A read and the write that relies on it."""

    read: Access
    write: Access
    locks: frozenset[int]  # held for each, but let go in between (by identity)
    kept: frozenset[int]  # held all the while
    since: Clock  # what the thread had heard of at the read, by other ways than locks
    time: int  # the thread's own at the write, by the same clock


class Change(NamedTuple):
    """A locked write, or a locked look at the same place as another thread's, and what its thread
    had heard of by other ways than locks.
    """

    access: Access
    hard: Clock
    time: int


class History:
    """What there was to one variable."""

    __slots__ = ("changes", "pairs")

    def __init__(self) -> None:
        self.pairs: dict[tuple[int, Any], Pair] = {}  # by thread and places
        self.changes: dict[tuple[int, Any], Change] = {}


class Atomicity:
    """Finds stale writes. `found` gets the pair, the other thread's write, and the rest."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self._guard = allocate_lock()  # of what follows
        self._reaches: dict[tuple[int, int, int], bool] = {}
        self._codes: list[CodeType] = []  # kept, so that no other has their identity

    def seen(
        self, me: Thread, variable: Any, now: Access, target: Any, field: Any, checks: bool
    ) -> None:
        """A locked access.

        Args:
            checks: of a container as a whole: whether what it reads decides something.
        """
        kind = now.kind
        if kind == READ or (kind == SCAN and checks):
            if len(me.reads) >= _REMEMBERED:
                me.reads.clear()
            me.reads[variable] = Read(now, dict(me.holds), _calls(), me.hard)
            # Had it come in between, it would have seen the same, and gone on to the same write.
            self._remember(me, variable, now, target, field)
            return
        before = me.reads.pop(variable, None)
        if kind not in _CHANGES:
            return
        if before is not None and not _has_default(now):
            self._stale(me, variable, before, now, target, field)
        self._remember(me, variable, now, target, field)

    def _remember(self, me: Thread, variable: Any, now: Access, target: Any, field: Any) -> None:
        history = _history(variable)
        places = (me.tid, now.site.where)
        if places not in history.changes and len(history.changes) >= _PLACES:
            return
        change = history.changes[places] = Change(now, me.hard, me.hard[me.tid])
        for (tid, _), pair in history.pairs.items():
            if tid != me.tid and _fits(pair, change):
                self._found(pair, now, target, field)

    def _stale(
        self, me: Thread, variable: Any, before: Read, now: Access, target: Any, field: Any
    ) -> None:
        locks: set[int] = set()
        kept: set[int] = set()
        for lock in now.held:
            if lock in before.holds:
                (kept if before.holds[lock] == me.holds[lock] else locks).add(id(lock))
        if not locks or not self._belong(before.calls, _calls()):
            return
        pair = Pair(
            before.access, now, frozenset(locks), frozenset(kept), before.hard, me.hard[me.tid]
        )
        history = _history(variable)
        history.pairs.setdefault((me.tid, (before.access.site.where, now.site.where)), pair)
        for (tid, _), change in history.changes.items():
            if tid != me.tid and _fits(pair, change):
                self._found(pair, change.access, target, field)

    def _belong(self, first: Any, second: Any) -> bool:
        """Whether one call made both, and came from one to the other without turning back."""
        for frame, code, start in first[: _DEPTH + 1]:
            for other, _, end in second[: _DEPTH + 1]:
                if frame == other:
                    key = (id(code), start, end)
                    with self._guard:
                        if key not in self._reaches:
                            self._codes.append(code)
                            self._reaches[key] = _reaches(code, start, end)
                        return self._reaches[key]
        return False


def _fits(pair: Pair, change: Change) -> bool:
    """Whether the other thread's write can come between the two."""
    if change.access.kind in (READ, SCAN) and (
        change.access.site.where != pair.read.site.where or pair.write.kind == RESHAPE
    ):
        return False
    held = {id(lock) for lock in change.access.held}
    if not pair.locks & held or pair.kept & held:
        return False
    mine, theirs = pair.write, change.access
    # Ordered by more than locks: over before the read, or begun after the write.
    if theirs.tid in pair.since and pair.since[theirs.tid] >= change.time:
        return False
    return not (mine.tid in change.hard and change.hard[mine.tid] >= pair.time)


def _history(variable: Any) -> History:
    if variable.history is None:
        variable.history = History()
    found: History = variable.history
    return found


def _calls() -> tuple[tuple[int, CodeType, int], ...]:
    frame: FrameType | None = sys._getframe(2)
    found: list[tuple[int, CodeType, int]] = []
    while frame is not None and len(found) <= _DEPTH:
        if not is_machinery(frame.f_code.co_filename):
            found.append((id(frame), frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def _has_default(access: Access) -> bool:
    """``pop(key, default)`` copes with what it does not find."""
    if access.kind != TAKE:
        return False
    try:
        call = ast.parse(access.site.text, mode="eval").body
    except SyntaxError:
        return False
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    return call.func.attr == "discard" or len(call.args) > 1


def _reaches(code: CodeType, start: int, end: int) -> bool:
    """Whether execution can come from one instruction to another without going back."""
    following = dict(_following(code))
    seen, todo = set(), [start]
    while todo:
        at = todo.pop()
        if at == end:
            return at != start
        if at in seen or at > end:
            continue
        seen.add(at)
        todo += [after for after in following.get(at, ()) if after > at]
    return False


def _following(code: CodeType) -> Iterator[tuple[int, tuple[int, ...]]]:
    instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    for index, instruction in enumerate(instructions):
        after: list[int] = []
        name = instruction.opname
        if not name.startswith(("RETURN", "RAISE", "RERAISE", "JUMP")) and index + 1 < len(
            instructions
        ):
            after.append(instructions[index + 1].offset)
        if instruction.jump_target is not None:
            after.append(instruction.jump_target)
        yield instruction.offset, tuple(after)
