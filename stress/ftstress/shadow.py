"""What the detector remembers of each object, for as long as the object lives.

Objects are known by identity. A weak reference says when one is gone, before its address can be
used again. Lists, dictionaries and objects with bare ``__slots__`` cannot be weakly referenced:
they are kept, and let go in sweeps once nobody else refers to them. Must never call a method of an
object it is given, nor run with a lock held what may end an object.
"""

import sys
import weakref
from _thread import allocate_lock
from typing import Any, Final

from ftstress.clocks import Access, Clock
from ftstress.events import RESHAPE
from ftstress.frames import Stack

_SWEEP_FROM: Final = 2_000  # kept objects
# Who refers to a kept object that nobody else does: the shadow, the loop, the call.
_OWN_REFERENCES: Final = 3


class Variable:
    """A field or an item: last write, and reads since, as FastTrack keeps them.

    `read` is one access while reads are ordered, and a dictionary by thread once they are not.
    `updates` are the accesses that commute with each other (``setdefault``, ``set.add``).
    """

    __slots__ = ("history", "read", "updates", "write")

    def __init__(self) -> None:
        self.write: Access | None = None
        self.read: Access | dict[int, Access] | None = None
        self.updates: dict[int, Access] | None = None
        self.history: Any = None  # of `ftstress.atomicity`


class Whole:
    """A container as a whole: for each kind of access, the last one of each thread.

    Args:
        conflicts: for each kind, with which others it does not commute.
        carries: whether an item that is taken brings a message of who added it.
    """

    __slots__ = ("carries", "conflicts", "history", "kinds")

    def __init__(self, conflicts: dict[int, tuple[int, ...]], carries: bool) -> None:
        self.conflicts = conflicts
        self.carries = carries
        self.kinds: list[dict[int, Access] | None] = [None] * (RESHAPE + 1)
        self.history: Any = None  # of `ftstress.atomicity`


class Shadow:
    """Everything remembered of one object."""

    __slots__ = ("__weakref__", "clock", "ended", "hard", "holder", "items", "kept", "names",
                 "readers", "reference", "sender", "whole")  # fmt: skip

    def __init__(self) -> None:
        self.names: dict[str, Variable] = {}
        self.items: dict[Any, Variable] = {}
        self.whole: Whole | None = None
        # As a channel: what has been sent; for a thread, also its end; for a lock, its readers.
        self.clock: Clock | None = None
        self.hard: Clock | None = None  # of that, what did not come by the program's own locks
        self.ended: Clock | None = None
        self.readers: Clock | None = None
        self.sender: tuple[int, str, Stack] | None = None
        self.holder: Any = None
        self.kept: Any = None
        self.reference: Any = None


class _Reference(weakref.ref[Any]):
    __slots__ = ("key", "table")
    key: int
    table: dict[int, Shadow]


def _gone(reference: _Reference) -> None:
    reference.table.pop(reference.key, None)


class Table:
    """The shadows of all objects."""

    def __init__(self) -> None:
        self.shadows: dict[int, Shadow] = {}
        self._kept: dict[int, Shadow] = {}
        self._sweep_at = _SWEEP_FROM
        self._lock = allocate_lock()

    def __len__(self) -> int:
        return len(self.shadows)

    def of(self, target: Any) -> Shadow:
        """The object's shadow, made when there is none."""
        key = id(target)
        try:
            return self.shadows[key]
        except KeyError:
            return self._add(key, target)

    def _add(self, key: int, target: Any) -> Shadow:
        made = Shadow()
        try:
            reference = _Reference(target, _gone)
            reference.key = key
            reference.table = self.shadows
            made.reference = reference
        except TypeError:
            made.kept = target
        with self._lock:
            found = self.shadows.setdefault(key, made)
            if found is made and made.reference is None:
                self._kept[key] = made
        if len(self._kept) > self._sweep_at:
            self._sweep()
        return found

    def _sweep(self) -> None:
        with self._lock:
            if len(self._kept) <= self._sweep_at:
                return
            ending = []
            for key, shadow in list(self._kept.items()):
                if sys.getrefcount(shadow.kept) < _OWN_REFERENCES:
                    ending.append(shadow)
                    del self._kept[key], self.shadows[key]
            self._sweep_at = max(_SWEEP_FROM, 2 * len(self._kept))
        # Here, without the lock, what nobody else referred to comes to its end.
        ending.clear()
