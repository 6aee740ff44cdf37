"""From a parameter's annotation to its name on the wire and to a check of its values.

Values come from JSON, so a check asks what JSON can hold: a `tuple` or `Sequence` parameter takes
a list. A value that fits is passed unchanged, with the exceptions that the annotation asks for: an
int for a `float`, nested lists for an array, a map for a dataclass, text for what JSON can only
spell, a list for a set. Everything about one annotation is worked out when the adapter is loaded;
must never be called while a request runs, except through the `Accept` it returned.
"""

import collections.abc
import dataclasses
import enum
import reprlib
import types
import typing
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from ftbridge.adapters import arrays, containers, records, texts
from ftbridge.adapters.matching import (
    ACCEPT_ANYTHING,
    ANY,
    BINARY,
    BOOLEAN,
    EMBEDDING,
    FLOAT,
    INTEGER,
    MAP,
    NULL,
    STRING,
    Accept,
    Convert,
    Mismatch,
    describe,
)


def accept(annotation: object) -> Accept:
    """Work out what a parameter with this annotation takes. Unknown classes take anything."""
    return _Reader().read(annotation)


class _Reader:
    """Reads one annotation. Remembers what it has met, since types may contain themselves."""

    def __init__(self) -> None:
        self._known: dict[object, Accept] = {}
        self._aliases: set[object] = set()

    def read(self, annotation: object) -> Accept:
        if isinstance(annotation, typing.TypeAliasType):
            return self._alias(annotation)
        if isinstance(annotation, typing.NewType):
            return self.read(annotation.__supertype__)
        if annotation is None or annotation is types.NoneType:
            return _NULL
        origin = get_origin(annotation)
        arguments = get_args(annotation)
        if origin is Annotated:
            return self.read(arguments[0])
        if origin is Union or origin is types.UnionType:
            return _union([self.read(member) for member in arguments])
        if origin is Literal:
            return _literal(arguments)
        plain = origin if origin is not None else annotation
        if isinstance(plain, type):
            known = self._known.get(plain)
            return self._class(plain, arguments) if known is None else known
        return ACCEPT_ANYTHING

    def _alias(self, alias: typing.TypeAliasType) -> Accept:
        if alias in self._aliases:  # inside itself: from the second level on nothing is checked
            return ACCEPT_ANYTHING
        self._aliases.add(alias)
        try:
            return self.read(alias.__value__)
        finally:
            self._aliases.discard(alias)

    def _class(self, plain: type, arguments: tuple[object, ...]) -> Accept:
        known = _BY_CLASS.get(plain)
        if known is not None:
            return self._with_elements(known, plain, arguments)
        if plain in _SETS:
            element = self.read(arguments[0]) if arguments else ACCEPT_ANYTHING
            elements = containers.LIST if element.anything else _typed(containers.LIST, element)
            return containers.set_of(_SETS[plain], elements)
        if plain.__module__ == "numpy" and plain.__name__ == "ndarray":
            return arrays.array_accept(plain, arguments)
        if issubclass(plain, enum.Enum):
            return texts.enum_accept(plain, self._common_type([m.value for m in plain]))
        if typing.is_typeddict(plain):
            return records.typed_dict_accept(plain, self.read, self._known)
        if dataclasses.is_dataclass(plain):
            return records.dataclass_accept(plain, self.read, self._known)
        if callable(getattr(plain, "model_validate", None)):
            return records.model_accept(plain)
        return ACCEPT_ANYTHING

    def _with_elements(
        self, container: Accept, plain: type, arguments: tuple[object, ...]
    ) -> Accept:
        """Narrow `list[str]`, `dict[str, int]` and tuples to their elements."""
        if plain is tuple and arguments and arguments[1:] != (...,):
            return containers.fixed_tuple([self.read(argument) for argument in arguments])
        if container.wire_type == MAP and len(arguments) == 2:
            element = self.read(arguments[1])
        elif container.wire_type == EMBEDDING and (len(arguments) == 1 or arguments[1:] == (...,)):
            element = self.read(arguments[0])
        else:
            return container
        return container if element.anything else _typed(container, element)

    def _common_type(self, values: list[object]) -> str:
        kinds = {self.read(type(value)).wire_type for value in values}
        return kinds.pop() if len(kinds) == 1 else ANY


_typed: Final = containers.typed_container


def _float(value: object) -> object:
    if type(value) is int:
        try:
            if (converted := float(value)) == value:
                return converted
        except OverflowError:
            pass
        raise Mismatch("an int that no float represents exactly")
    return _subclass_instance(value, float)


def _subclass_instance(value: object, base: type) -> object:
    if isinstance(value, base):
        return value
    raise Mismatch(describe(value))


def _integer(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Mismatch(describe(value))


def _string(value: object) -> object:
    return _subclass_instance(value, str)


_NULL: Final = Accept(wire_type=NULL, expected="null", exact=frozenset({types.NoneType}))
_STRING: Final = Accept(
    wire_type=STRING, expected="a string", exact=frozenset({str}), convert=_string
)
_INTEGER: Final = Accept(
    wire_type=INTEGER, expected="an integer", exact=frozenset({int}), convert=_integer
)
_FLOAT: Final = Accept(
    wire_type=FLOAT, expected="a number", exact=frozenset({float}), convert=_float
)
_BOOLEAN: Final = Accept(wire_type=BOOLEAN, expected="true or false", exact=frozenset({bool}))
_BINARY: Final = Accept(
    wire_type=BINARY, expected="bytes", exact=frozenset({bytes, bytearray, memoryview})
)

_BY_CLASS: Final[dict[type, Accept]] = {
    str: _STRING,
    int: _INTEGER,
    float: _FLOAT,
    bool: _BOOLEAN,
    list: containers.LIST,
    tuple: containers.LIST,
    collections.abc.Sequence: containers.LIST,
    collections.abc.Iterable: containers.LIST,
    collections.abc.Collection: containers.LIST,
    dict: containers.MAPPING,
    collections.abc.Mapping: containers.MAPPING,
    collections.abc.MutableMapping: containers.MAPPING,
    bytes: _BINARY,
    bytearray: _BINARY,
    memoryview: _BINARY,
    **texts.BY_CLASS,
}

_SETS: Final[dict[type, type]] = {
    set: set,
    frozenset: frozenset,
    collections.abc.Set: frozenset,
    collections.abc.MutableSet: set,
}


class _AnyOf:
    """The members of a union, tried in the order in which they are written."""

    __slots__ = ("_converts",)

    def __init__(self, members: list[Accept]) -> None:
        self._converts: list[Convert] = [m.convert for m in members if m.convert is not None]

    def __call__(self, value: object) -> object:
        for convert in self._converts:
            try:
                return convert(value)
            except Mismatch:
                if len(self._converts) == 1:  # it knows more about what is wrong
                    raise
        raise Mismatch(describe(value))


def _union(members: list[Accept]) -> Accept:
    if any(member.anything for member in members):
        return ACCEPT_ANYTHING
    if len(members) == 1:
        return members[0]
    kinds = list(dict.fromkeys(m.wire_type for m in members if m.wire_type != NULL))
    return Accept(
        wire_type=kinds[0] if len(kinds) == 1 else ANY,
        expected=" or ".join(dict.fromkeys(member.expected for member in members)),
        exact=frozenset().union(*(member.exact for member in members)),
        convert=_AnyOf(members),
    )


class _OneOf:
    __slots__ = ("_choices",)

    def __init__(self, choices: tuple[object, ...]) -> None:
        self._choices = choices

    def __call__(self, value: object) -> object:
        # By class too: JSON true is not 1, and 1.0 is not 1.
        for choice in self._choices:
            if choice.__class__ is value.__class__ and choice == value:
                return value
        raise Mismatch(reprlib.repr(value) if isinstance(value, str | int) else describe(value))


def _literal(choices: tuple[object, ...]) -> Accept:
    return Accept(
        wire_type=_Reader()._common_type(list(choices)),
        expected="one of " + ", ".join(map(repr, choices)),
        convert=_OneOf(choices),
        choices=choices,
    )
