"""What a stretch of a run did to things that threads share, and which of these commute.

A run is a sequence of stretches, each from one place of a thread to its next. Two stretches are
*dependent* when they do something to the same thing that does not commute; runs that differ only in
the order of independent stretches are the same trace (Mazurkiewicz 1977), and one of them is
enough. The model: attributes, globals and closure variables are memory with atomic reads and
writes, the operations of containers are atomic, and the order of the keys in a dictionary or set is
no part of its value.

Things are numbered in the order in which a run comes to them, so that two runs that begin in the
same way name them alike. Must never keep a thing alive that can be weakly referenced.
"""

import weakref
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ftstress.containers import traits
from ftstress.events import GROW, ITEM, READ, SCAN, TAKE, UPDATE, WRITE

# Spaces beside those of `ftstress.events`.
LOCK: Final = "lock"
CHANNEL: Final = "channel"
# What is done to a lock. An attempt, unlike an acquisition, does not wait for the release.
ACQUIRE: Final = 100
RELEASE: Final = 101
ATTEMPT: Final = 102

_KEYED: Final = frozenset({READ, WRITE, UPDATE, GROW, TAKE})
_PLAIN: Final = frozenset({str, int, bytes, bool, float, complex})


class Effect(NamedTuple):
    """Something done to one thing. `field` is None for the whole of a container."""

    thing: int
    space: str
    field: Any
    kind: int


type Effects = tuple[Effect, ...]


class Names:
    """The numbers of the things in one run."""

    def __init__(self) -> None:
        self.count = 0
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []

    def of(self, thing: Any) -> int:
        """The thing's number."""
        key = id(thing)
        if key in self._numbers:
            return self._numbers[key]
        try:
            self._kept.append(weakref.ref(thing, lambda _gone: self._numbers.pop(key, None)))
        except TypeError:
            self._kept.append(thing)
        self._numbers[key] = self.count
        self.count += 1
        return self._numbers[key]

    def access(self, kind: int, target: Any, field: Any, space: str) -> Effect:
        """The effect of an access as `ftstress.events` tells it."""
        if space == ITEM:
            found = traits(type(target))
            by_key = found is not None and found.base in (dict, set)
            known = type(field) in _PLAIN or (
                type(field) is tuple and all(type(part) in _PLAIN for part in field)
            )
            if not known or not (kind in _KEYED if by_key else kind in (READ, WRITE)):
                field = None
        return Effect(self.of(target), space, field, kind)


def dependent(one: Effect, other: Effect, named: int | None = None) -> bool:
    """Whether the order of two effects can matter.

    Args:
        named: the effects are of two runs that named as many things alike. What each came to only
            afterwards may be the same thing, under different numbers.
    """
    if one.space != other.space:
        return False
    if one.thing != other.thing and not (
        named is not None and one.thing >= named and other.thing >= named
    ):
        return False
    if one.space == LOCK:
        return not (one.kind == other.kind == RELEASE)
    if one.kind in (READ, SCAN) and other.kind in (READ, SCAN):
        return False
    if one.field is None or other.field is None:
        return True
    return bool(one.field == other.field)


def any_dependent(ones: Effects, others: Effects, named: int) -> bool:
    """Whether the order of two stretches can matter."""
    return any(dependent(one, other, named) for one in ones for other in others)


class Trace:
    """The happens-before relation of one run's stretches.

    Args:
        tasks: whose each stretch is. `effects`: what each did.
        born: for each thread, in which stretch it was started; None for the first.
        after_all: stretches that came only because nothing else could go on.
    """

    def __init__(
        self,
        tasks: list[Any],
        effects: list[Effects],
        born: dict[Any, int | None],
        after_all: Iterable[int] = (),
    ) -> None:
        self.tasks = tasks
        self.effects = effects
        # For each stretch: the last stretch of each thread that happens before it, or is it.
        self.clocks: list[dict[Any, int]] = []
        # Pairs of stretches that are dependent, with nothing in between that orders them.
        self.races: list[tuple[int, int]] = []
        waits = set(after_all)
        last: dict[Any, int] = {}
        seen: dict[int, list[tuple[int, Effect]]] = {}  # by thing
        for index, (task, done) in enumerate(zip(tasks, effects, strict=True)):
            clock: dict[Any, int] = {}
            if task in last:
                clock = dict(self.clocks[last[task]])
            else:
                start = born[task]
                if start is not None:
                    clock = dict(self.clocks[start])
            if index in waits:
                for other in last.values():
                    self._join(clock, other)
            self._add(index, task, done, clock, seen)
            clock[task] = index
            self.clocks.append(clock)
            last[task] = index
            for effect in done:
                seen.setdefault(effect.thing, []).append((index, effect))

    def before(self, first: int, second: int) -> bool:
        """Whether one stretch happens before another, or is it."""
        task = self.tasks[first]
        clock = self.clocks[second]
        return task in clock and clock[task] >= first

    def _join(self, clock: dict[Any, int], other: int) -> None:
        for task, index in self.clocks[other].items():
            if clock.get(task, -1) < index:
                clock[task] = index

    def _add(
        self,
        index: int,
        task: Any,
        done: Effects,
        clock: dict[Any, int],
        seen: dict[int, list[tuple[int, Effect]]],
    ) -> None:
        found: dict[int, bool] = {}  # earlier stretch: whether they could come the other way round
        for effect in done:
            earlier = seen.get(effect.thing, ())
            acquired = False
            for before, other in reversed(earlier):
                if not dependent(effect, other):
                    continue
                can_turn = True
                if effect.space == LOCK:
                    # Who takes a lock cannot have come before its release, but before it was taken.
                    if ACQUIRE in (effect.kind, other.kind) and RELEASE in (
                        effect.kind,
                        other.kind,
                    ):
                        can_turn = False
                    elif effect.kind == other.kind == ACQUIRE:
                        if acquired:
                            can_turn = False
                        elif (
                            self.tasks[before] != task
                            and clock.get(self.tasks[before], -1) < before
                        ):
                            self.races.append((before, index))
                        acquired = True
                        can_turn = False
                found[before] = found.get(before, False) or can_turn
        for before in sorted(found, reverse=True):
            if clock.get(self.tasks[before], -1) >= before:
                continue
            if found[before]:
                self.races.append((before, index))
            self._join(clock, before)

    def canonical(self) -> tuple[Any, ...]:
        """The same for all runs of one trace, and for no others (Foata's normal form)."""
        levels: list[int] = []
        numbers: dict[Any, int] = {}
        form = []
        for index, task in enumerate(self.tasks):
            level = 1 + max(
                (levels[before] for before in self.clocks[index].values() if before != index),
                default=0,
            )
            previous = [i for i in range(index) if self.tasks[i] == task]
            if previous:
                level = max(level, levels[previous[-1]] + 1)
            levels.append(level)
            numbers[task] = numbers.get(task, -1) + 1
            form.append((level, task, numbers[task]))
        return tuple(sorted(form))
