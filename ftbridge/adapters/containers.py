"""Lists, maps and sets whose elements have a type.

A container of which nothing has to be converted is passed as it came, not copied.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from ftbridge.adapters.matching import EMBEDDING, MAP, Accept, Mismatch, describe, spell_out


class Elements:
    """Checks a list's elements, or a map's values, and converts those that need it.

    Where all are of the expected classes, which is the rule, this is one pass at the speed of
    `map`.
    """

    __slots__ = ("_container", "_element")

    def __init__(self, container: Accept, element: Accept) -> None:
        self._container = container
        self._element = element

    def __call__(self, value: object) -> object:
        value = self._container.take(value)
        if isinstance(value, Mapping):
            taken = self._take(value.values())
            return value if taken is None else dict(zip(value, taken, strict=True))
        taken = self._take(cast("Iterable[object]", value))
        if taken is None:
            return value
        return tuple(taken) if isinstance(value, tuple) else taken

    def _take(self, elements: Iterable[object]) -> list[object] | None:
        if set(map(type, elements)) <= self._element.exact:
            return None
        return take_each(elements, itertools.repeat(self._element))


class Unique:
    """Makes the set that the annotation names of a list, once its elements have been checked."""

    __slots__ = ("_elements", "_kind")

    def __init__(self, kind: type, elements: Accept) -> None:
        self._kind = kind
        self._elements = elements

    def __call__(self, value: object) -> object:
        if isinstance(value, set | frozenset):
            value = list(value)
        try:
            return self._kind(self._elements.take(value))
        except TypeError:
            raise Mismatch("one with elements that no set can hold") from None


class Positions:
    """Checks a list against `tuple[int, str]`: as many elements, each of its own type."""

    __slots__ = ("_accepts",)

    def __init__(self, accepts: list[Accept]) -> None:
        self._accepts = accepts

    def __call__(self, value: object) -> object:
        elements = cast("Sequence[object]", as_list(value))
        if len(elements) != len(self._accepts):
            raise Mismatch(f"one of {len(elements)}")
        taken = take_each(elements, self._accepts)
        if taken is None:
            return value
        return tuple(taken) if isinstance(value, tuple) else taken


def take_each(elements: Iterable[object], accepts: Iterable[Accept]) -> list[object] | None:
    """All elements as they are to be passed; None when each stays what it is.

    Raises `Mismatch` that names the positions of those that do not fit.
    """
    taken, problems, changed = [], [], False
    for position, (element, accept) in enumerate(zip(elements, accepts, strict=False)):
        try:
            converted = accept.take(element)
        except Mismatch as mismatch:
            problems.append(f"whose element {position} is {mismatch}, not {accept.expected}")
            continue
        changed = changed or converted is not element
        taken.append(converted)
    if problems:
        raise Mismatch(spell_out(problems))
    return taken if changed else None


def typed_container(container: Accept, element: Accept) -> Accept:
    """A list or map narrowed to its elements."""
    return Accept(
        wire_type=container.wire_type,
        expected=f"{container.expected} of which each element is {element.expected}",
        convert=Elements(container, element),
    )


def fixed_tuple(accepts: list[Accept]) -> Accept:
    """A tuple of a fixed number of elements."""
    types = ", ".join(accept.expected for accept in accepts)
    return Accept(
        wire_type=EMBEDDING,
        expected=f"a list of {len(accepts)} ({types})",
        convert=Positions(accepts),
    )


def set_of(kind: type, elements: Accept) -> Accept:
    """A set parameter, which takes a list: JSON has no sets."""
    return Accept(wire_type=EMBEDDING, expected=elements.expected, convert=Unique(kind, elements))


def as_list(value: object) -> object:
    """A list, or anything else that is a sequence and no text."""
    # Text and bytes are sequences too, and never what an author means by a list.
    if isinstance(value, str | bytes | bytearray | memoryview):
        raise Mismatch(describe(value))
    return _instance(value, (Sequence,))


def as_map(value: object) -> object:
    """A dict or any other mapping."""
    return _instance(value, (Mapping,))


def _instance(value: object, bases: tuple[type, ...]) -> object:
    if isinstance(value, bases):
        return value
    raise Mismatch(describe(value))


LIST: Final = Accept(
    wire_type=EMBEDDING, expected="a list", exact=frozenset({list, tuple}), convert=as_list
)
MAPPING: Final = Accept(wire_type=MAP, expected="a map", exact=frozenset({dict}), convert=as_map)
