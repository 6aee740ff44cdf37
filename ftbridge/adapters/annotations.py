"""From a parameter's annotation to its name on the wire and to a check of its values.

Values come from JSON, so a check asks what JSON can hold: a `tuple` or `Sequence` parameter takes
a list. A value that fits is passed unchanged, with two exceptions that the annotation asks for:
an int for a `float` parameter, and nested lists for an array. Everything about one annotation is
worked out when the adapter is loaded; must never be called while a request runs, except through
the `Accept` it returned.
"""

import collections.abc
import reprlib
import types
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

# Names of the adapter guide's table; `null` and `any` are ours.
STRING: Final = "string"
INTEGER: Final = "integer"
FLOAT: Final = "float"
BOOLEAN: Final = "boolean"
EMBEDDING: Final = "embedding"
MAP: Final = "map"
TENSOR: Final = "tensor"
BINARY: Final = "binary"
NULL: Final = "null"
ANY: Final = "any"


class Mismatch(Exception):  # noqa: N818  # never leaves the argument checker
    """A value does not fit; the message says what it is, beside its type."""


type Convert = Callable[[object], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """What one parameter takes.

    `exact`: classes whose instances pass at once (compared by identity, so that a bool is not
    taken for an int). `convert`: asked about everything else; returns the value to pass, or
    raises `Mismatch`; None means that all else is refused. `anything`: no check at all.
    """

    wire_type: str
    expected: str
    exact: frozenset[type] = frozenset()
    convert: Convert | None = None
    anything: bool = False
    choices: tuple[object, ...] = ()


ACCEPT_ANYTHING: Final = Accept(wire_type=ANY, expected="any value", anything=True)


def accept(annotation: object) -> Accept:
    """Work out what a parameter with this annotation takes. Unknown classes take anything."""
    if isinstance(annotation, typing.TypeAliasType):
        return accept(annotation.__value__)
    if isinstance(annotation, typing.NewType):
        return accept(annotation.__supertype__)
    if annotation is None or annotation is types.NoneType:
        return _NULL
    origin = get_origin(annotation)
    if origin is Annotated:
        return accept(get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        return _union([accept(member) for member in get_args(annotation)])
    if origin is Literal:
        return _literal(get_args(annotation))
    if typing.is_typeddict(annotation):
        return _typed_dict(cast("type", annotation))
    plain = origin if origin is not None else annotation
    if isinstance(plain, type):
        known = _BY_CLASS.get(plain)
        if known is not None:
            return _with_elements(known, plain, get_args(annotation))
        if plain.__module__ == "numpy" and plain.__name__ == "ndarray":
            return Accept(
                wire_type=TENSOR,
                expected="an array (nested lists of numbers)",
                exact=frozenset({plain}),
                convert=_to_array,
            )
    return ACCEPT_ANYTHING


def describe(value: object) -> str:
    """Name a refused value for an error message: its JSON type and Python class, not its content.

    The content stays out because it may be private and because it may be megabytes.
    """
    if value is None:
        return "null"
    return type(value).__name__


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


def _list(value: object) -> object:
    # Text and bytes are sequences too, and never what an author means by a list.
    if isinstance(value, str | bytes | bytearray | memoryview):
        raise Mismatch(describe(value))
    return _subclass_instance(value, collections.abc.Sequence)


def _map(value: object) -> object:
    return _subclass_instance(value, collections.abc.Mapping)


def _to_array(value: object) -> object:
    import numpy as np  # the annotation names numpy.ndarray, so the adapter has imported it

    if isinstance(value, np.ndarray):
        return value
    shape: Any = None
    if isinstance(value, dict) and value.keys() == {"shape", "data"}:
        shape, value = value["shape"], value["data"]
    if not isinstance(value, list):
        raise Mismatch(describe(value))
    try:
        array = np.asarray(value)
        if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
            raise Mismatch(f"a list that holds more than numbers ({array.dtype})")
        return array if shape is None else array.reshape(cast("list[int]", shape))
    except (ValueError, TypeError) as error:
        raise Mismatch(f"a list that is no array: {error}") from None


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
_LIST: Final = Accept(
    wire_type=EMBEDDING, expected="a list", exact=frozenset({list, tuple}), convert=_list
)
_MAP: Final = Accept(wire_type=MAP, expected="a map", exact=frozenset({dict}), convert=_map)
_BINARY: Final = Accept(
    wire_type=BINARY, expected="bytes", exact=frozenset({bytes, bytearray, memoryview})
)

_BY_CLASS: Final[dict[type, Accept]] = {
    str: _STRING,
    int: _INTEGER,
    float: _FLOAT,
    bool: _BOOLEAN,
    list: _LIST,
    tuple: _LIST,
    collections.abc.Sequence: _LIST,
    collections.abc.Iterable: _LIST,
    collections.abc.Collection: _LIST,
    dict: _MAP,
    collections.abc.Mapping: _MAP,
    collections.abc.MutableMapping: _MAP,
    bytes: _BINARY,
    bytearray: _BINARY,
    memoryview: _BINARY,
}


class _Elements:
    """Checks the classes of a list's elements, or of a map's values, at the speed of `map`."""

    __slots__ = ("_container", "_element")

    def __init__(self, container: Accept, element: Accept) -> None:
        self._container = container
        self._element = element

    def __call__(self, value: object) -> object:
        if value.__class__ not in self._container.exact:
            if self._container.convert is None:
                raise Mismatch(describe(value))
            value = self._container.convert(value)
        elements = cast(
            "Collection[object]",
            value.values() if isinstance(value, collections.abc.Mapping) else value,
        )
        if not set(map(type, elements)) <= self._element.exact:
            for position, element in enumerate(elements):
                self._check_one(position, element)
        return value

    def _check_one(self, position: int, element: object) -> None:
        if element.__class__ in self._element.exact:
            return
        try:
            if self._element.convert is None:
                raise Mismatch(describe(element))
            self._element.convert(element)
        except Mismatch as mismatch:
            raise Mismatch(
                f"one whose element {position} is {mismatch}, not {self._element.expected}"
            ) from None


def _with_elements(container: Accept, plain: type, arguments: tuple[object, ...]) -> Accept:
    """Narrow `list[str]`, `dict[str, int]` and `tuple[int, ...]` to their elements."""
    if container.wire_type == MAP and len(arguments) == 2:
        element = accept(arguments[1])
    elif container.wire_type == EMBEDDING and (
        len(arguments) == 1 or (plain is tuple and arguments[1:] == (...,))
    ):
        element = accept(arguments[0])
    else:
        return container
    if element.anything:
        return container
    return Accept(
        wire_type=container.wire_type,
        expected=f"{container.expected} of which each element is {element.expected}",
        convert=_Elements(container, element),
    )


class _AnyOf:
    """The members of a union, tried in the order in which they are written."""

    __slots__ = ("_members",)

    def __init__(self, members: list[Accept]) -> None:
        self._members = [member for member in members if member.convert is not None]

    def __call__(self, value: object) -> object:
        for member in self._members:
            assert member.convert is not None
            try:
                return member.convert(value)
            except Mismatch:
                continue
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
    kinds = {accept(type(choice)).wire_type for choice in choices}
    return Accept(
        wire_type=kinds.pop() if len(kinds) == 1 else ANY,
        expected="one of " + ", ".join(map(repr, choices)),
        convert=_OneOf(choices),
        choices=choices,
    )


class _WithKeys:
    __slots__ = ("_required",)

    def __init__(self, required: frozenset[str]) -> None:
        self._required = required

    def __call__(self, value: object) -> object:
        if not isinstance(value, dict):
            raise Mismatch(describe(value))
        missing = sorted(self._required - value.keys())
        if missing:
            raise Mismatch("one without " + ", ".join(map(repr, missing)))
        return value


def _typed_dict(annotation: type) -> Accept:
    required = cast("frozenset[str]", getattr(annotation, "__required_keys__", frozenset()))
    if not required:
        return _MAP
    return Accept(
        wire_type=MAP,
        expected="a map with the keys " + ", ".join(map(repr, sorted(required))),
        convert=_WithKeys(required),
    )
