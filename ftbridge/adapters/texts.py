"""Values that JSON can only spell: times, UUIDs, decimals, paths, members of enumerations.

The annotation asks for the conversion, so it is made; text that spells nothing of the kind is
refused. What is there already (an embedded caller passes objects) stays.
"""

import datetime
import decimal
import enum
import pathlib
import reprlib
import uuid
from collections.abc import Callable
from typing import Final

from ftbridge.adapters.matching import STRING, Accept, Mismatch, describe


class _Spelt:
    """Reads text with one function, whose ValueError means that it is not that."""

    __slots__ = ("_class", "_parse")

    def __init__(self, cls: type, parse: Callable[[str], object]) -> None:
        self._class = cls
        self._parse = parse

    def __call__(self, value: object) -> object:
        if isinstance(value, self._class):
            return value
        if not isinstance(value, str):
            raise Mismatch(describe(value))
        try:
            return self._parse(value)
        except (ValueError, decimal.InvalidOperation):
            raise Mismatch("a string that is none") from None


class _Decimal(_Spelt):
    """Also takes an int, which is exact; a float is not what was written."""

    __slots__ = ()

    def __call__(self, value: object) -> object:
        if type(value) is int:
            return decimal.Decimal(value)
        return super().__call__(value)


class Member:
    """Finds an enumeration's member by its value. By class too: JSON true is not 1."""

    __slots__ = ("_class",)

    def __init__(self, cls: type[enum.Enum]) -> None:
        self._class = cls

    def __call__(self, value: object) -> object:
        if isinstance(value, self._class):
            return value
        for member in self._class:
            if member.value.__class__ is value.__class__ and member.value == value:
                return member
        if issubclass(self._class, enum.Flag) and type(value) is int:
            try:
                return self._class(value)
            except ValueError:
                pass
        raise Mismatch(reprlib.repr(value) if isinstance(value, str | int) else describe(value))


def _spelt(cls: type, expected: str, convert: _Spelt) -> Accept:
    return Accept(wire_type=STRING, expected=expected, exact=frozenset({cls}), convert=convert)


BY_CLASS: Final[dict[type, Accept]] = {
    cls: _spelt(cls, expected, _Spelt(cls, parse))
    for cls, expected, parse in (
        (
            datetime.datetime,
            "an ISO 8601 date and time",
            datetime.datetime.fromisoformat,
        ),
        (datetime.date, "an ISO 8601 date", datetime.date.fromisoformat),
        (datetime.time, "an ISO 8601 time", datetime.time.fromisoformat),
        (uuid.UUID, "a UUID", uuid.UUID),
        (pathlib.Path, "a path", pathlib.Path),
        (pathlib.PurePath, "a path", pathlib.PurePath),
    )
}
BY_CLASS[decimal.Decimal] = _spelt(
    decimal.Decimal,
    "a decimal number as text, or an integer",
    _Decimal(decimal.Decimal, decimal.Decimal),
)


def enum_accept(cls: type[enum.Enum], wire_type: str) -> Accept:
    """What a parameter of an enumeration takes: the value of a member."""
    choices = tuple([member.value for member in cls])
    return Accept(
        wire_type=wire_type,
        expected="one of " + ", ".join(map(repr, choices)),
        exact=frozenset({cls}),
        convert=Member(cls),
        choices=choices,
    )
