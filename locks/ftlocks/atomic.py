"""A number and a reference that are read, compared and changed in one step.

`n += 1` is a read and a write; another thread's write in between is lost, with or without the GIL.
Reading alone is one step in Python and takes no lock. Must never call the caller's code with its
lock held: `update()` computes outside, and tries again where somebody else was quicker.
"""

from _thread import allocate_lock
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from ftlocks._base import PUBLIC


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomicStatistics:
    """How often the value was changed, and how often `compare_and_set` found another one."""

    name: str
    changes: int
    refusals: int


class _Atomic[T]:
    __slots__ = ("__weakref__", "_changes", "_lock", "_name", "_refusals", "_value")

    def __init__(self, value: T, name: str = "") -> None:
        self._value = value
        self._name = name
        self._lock = allocate_lock()  # held for the length of an assignment
        self._changes = 0
        self._refusals = 0

    def get(self) -> T:
        """The value now; waits for nobody."""
        return self._value

    def set(self, value: T) -> None:
        """Replace the value."""
        self.exchange(value)

    def exchange(self, value: T) -> T:
        """Replace the value; the one before."""
        with self._lock:
            before = self._value
            self._value = value
            self._changes += 1
            return before

    def compare_and_set(self, expected: T, value: T) -> bool:
        """Replace the value if it is `expected`; whether it was."""
        with self._lock:
            if self._same(self._value, expected):
                self._value = value
                self._changes += 1
                return True
            self._refusals += 1
            return False

    def update(self, function: Callable[[T], T]) -> T:
        """Replace the value by `function(value)`; the new one.

        `function` runs without a lock, and again when another thread has changed the value
        meanwhile: it should be quick and do nothing else.
        """
        while True:
            before = self._value
            after = function(before)
            if self.compare_and_set(before, after):
                return after

    def statistics(self) -> AtomicStatistics:
        """The figures at one moment."""
        with self._lock:
            return AtomicStatistics(name=self._name, changes=self._changes, refusals=self._refusals)

    def __repr__(self) -> str:
        label = f" {self._name!r}" if self._name else ""
        return f"<{PUBLIC}.{type(self).__qualname__}{label} {self._value!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r}: its meaning is identity")

    def _same(self, a: T, b: T) -> bool:
        raise NotImplementedError


class AtomicRef[T](_Atomic[T]):
    """A reference to any object, compared by identity.

    Happens-before: a change happens before every later change returns, and before every `get()`
    that returns what it put there; so an object that was complete before it was set is complete for
    whoever gets it. Changes are in one order that all threads agree on.

    Fairness: none, but a change holds others up for less than a microsecond. An `update()` may in
    theory be outrun for ever by those of other threads.

    Args:
        value: to begin with.
        name: shown in reprs and statistics.
    """

    __slots__ = ()

    def _same(self, a: T, b: T) -> bool:
        return a is b


class AtomicInt(_Atomic[int]):
    """A number of any size, compared by value.

    Happens-before and fairness as of `AtomicRef`; `add()` is one step and cannot be outrun. Where
    threads only add, and seldom read, `ShardedCounter` lets them do so without meeting.
    """

    __slots__ = ()

    def __init__(self, value: int = 0, name: str = "") -> None:
        super().__init__(value, name)

    def add(self, amount: int = 1) -> int:
        """Add `amount`, which may be negative; the sum."""
        with self._lock:
            self._value += amount
            self._changes += 1
            return self._value

    def __int__(self) -> int:
        return self._value

    def __index__(self) -> int:
        return self._value

    def _same(self, a: int, b: int) -> bool:
        return a == b
