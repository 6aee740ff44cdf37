"""Arguments for a tool that nobody has said anything about: from its annotations or its spec.

Every value is one that the argument check accepts, so that calls reach the tool. Numbers stay
small: a parameter may say how often a loop is run. Must never call a tool.
"""

import dataclasses
import enum
import inspect
import json
import types
import typing
from collections.abc import Mapping
from random import Random
from typing import Annotated, Any, Final, Union, get_args, get_origin

from ftbridge.adapters.matching import Accept, Mismatch
from ftbridge.adapters.tools import ToolDefinition, collect_tools
from ftbridge.client.tools import RemoteTool
from ftbridge.hammer.records import ToolCases, Values

DETERMINISTIC_KEY: Final = "deterministic"
"""In a tool's metadata, with the value "true": equal arguments give equal results."""

# Boundaries first: nothing, one, minus one; then what is ordinary.
_INTEGERS: Final = (1, 0, 2, -1, 7, 100)
_FLOATS: Final = (1.0, 0.0, -0.5, 1e-9, 123.25)
_STRINGS: Final = ("a", "", "key", "Grüße 😀", "x" * 300, "1", "2024-02-29", "a/b")
_BYTES: Final = (b"\x00\xff", b"", b"text" * 64)
_OTHER_TEXTS: Final = (
    "2024-02-29T12:30:00",
    "12:30:00",
    "P1DT2S",
    "12345678-1234-5678-1234-567812345678",
    "1.5",
)
_LISTS: Final[tuple[object, ...]] = (
    [1.0, 2.0, 3.0],
    [],
    ["a", "b"],
    [1, 2],
    [[1.0, 2.0], [3.0, 4.0]],
    [True],
)
_MAPS: Final[tuple[object, ...]] = ({"a": 1}, {}, {"a": "b"}, {"a": [1, 2], "b": None})
_POOL: Final[tuple[object, ...]] = (
    *_INTEGERS,
    *_FLOATS,
    *_STRINGS,
    True,
    False,
    *_BYTES,
    *_LISTS,
    *_MAPS,
    None,
    *_OTHER_TEXTS,
)
_BY_TYPE: Final[Mapping[str, tuple[object, ...]]] = {
    "integer": _INTEGERS,
    "float": _FLOATS,
    "string": _STRINGS,
    "boolean": (True, False),
    "binary": _BYTES,
    "embedding": _LISTS[:2],
    "tensor": ([1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]]),
    "map": _MAPS,
    "null": (None,),
}
_ANYTHING: Final[tuple[object, ...]] = ("a", 1, 1.5, True, None, [1, 2], {"a": 1})
_MOST: Final = 12  # values of one parameter
_NESTED: Final = 3  # levels of records inside records
_DRAWN: Final = 16  # sets of arguments that an adapter's own hook is asked for


def of_adapter(adapter_class: type, seed: int = 0) -> list[ToolCases]:
    """The tools of a class. Its ``__examples__`` and ``__stress_arguments__`` go before all else.

    Raises what ``__stress_arguments__`` raises, `InvalidToolError`.
    """
    examples: dict[str, list[Mapping[str, object]]] = {}
    for tool, arguments in getattr(adapter_class, "__examples__", ()):
        examples.setdefault(tool, []).append(dict(arguments))
    hook = getattr(adapter_class, "__stress_arguments__", None)
    found = []
    for name, definition in collect_tools(adapter_class).items():
        given = examples.get(name, [])
        if hook is not None:
            random = Random(f"{seed}/{name}")
            drawn = [hook(name, random) for _ in range(_DRAWN)]
            given = [*given, *(dict(one) for one in drawn if one is not None)]
        found.append(_cases(adapter_class, definition, tuple(given)))
    return found


def _cases(
    adapter_class: type, definition: ToolDefinition, examples: tuple[Mapping[str, object], ...]
) -> ToolCases:
    info = definition.info
    hints = _hints(definition.function)
    return ToolCases(
        info.name,
        tuple(
            Values(
                parameter.name,
                parameter.required,
                _values(hints.get(parameter.name, Any), parameter.accept, parameter.default),
            )
            for parameter in info.parameters
        ),
        examples,
        info.supports_streaming,
        definition.only_streams,
        info.metadata.get(DETERMINISTIC_KEY, "").lower() == "true",
        frozenset(_names(getattr(adapter_class, "__expected_errors__", ()))),
    )


def _names(expected: object) -> list[str]:
    entries = expected if isinstance(expected, list | tuple | set | frozenset) else [expected]
    return [entry.__name__ if isinstance(entry, type) else str(entry) for entry in entries]


def _hints(function: types.FunctionType) -> dict[str, object]:
    try:
        return dict(typing.get_type_hints(inspect.unwrap(function), include_extras=True))
    except Exception:  # noqa: BLE001  # a name imported for type checkers only: nothing is checked
        return {}


def _values(hint: object, accept: Accept, default: object) -> tuple[object, ...]:
    if accept.choices:
        return accept.choices
    offered = [*_made_from(hint), *(_ANYTHING if accept.anything else _POOL)]
    if default is not None:
        offered.insert(1, default)
    found: list[object] = []
    for value in offered:
        try:
            accept.take(value)
        except Mismatch:
            continue
        if _sendable(value) and not any(type(v) is type(value) and v == value for v in found):
            found.append(value)
    return tuple(found[:_MOST])


def _sendable(value: object) -> bool:
    """Whether it can travel: what JSON can hold, and bytes."""
    if isinstance(value, bytes):
        return True
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _made_from(hint: object, depth: int = 0) -> list[object]:
    """Values that no pool can hold: members of enumerations, records, what is in containers."""
    if isinstance(hint, typing.TypeAliasType):
        return _made_from(hint.__value__, depth)
    if isinstance(hint, typing.NewType):
        return _made_from(hint.__supertype__, depth)
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _made_from(inside[0], depth)
    if origin is Union or origin is types.UnionType:
        return [value for member in inside for value in _made_from(member, depth)]
    if origin is typing.Literal:
        return list(inside)
    if hint is None or hint is type(None):
        return [None]
    plain = origin if isinstance(origin, type) else hint
    if not isinstance(plain, type) or depth > _NESTED:
        return []
    if issubclass(plain, enum.Enum):
        return [member.value for member in plain] + [member.name for member in plain]
    if typing.is_typeddict(plain):
        fields = typing.get_type_hints(plain)
        return _records({name: fields[name] for name in fields}, depth)
    if dataclasses.is_dataclass(plain):
        known = typing.get_type_hints(plain)
        return _records({f.name: known[f.name] for f in dataclasses.fields(plain)}, depth)
    for base, values in _PLAIN.items():
        if plain is base:
            return list(values)
    if issubclass(plain, tuple) and inside and inside[1:] != (...,):
        members = [_made_from(member, depth + 1) for member in inside]
        return [[m[0] for m in members]] if all(members) else []
    if issubclass(plain, dict | typing.Mapping) and len(inside) == 2:
        return [{"a": value} for value in _made_from(inside[1], depth + 1)[:2]]
    if issubclass(plain, list | tuple | set | frozenset | typing.Sequence) and inside:
        members_of = _made_from(inside[0], depth + 1)
        return [members_of[:2], members_of[:1]] if members_of else []
    return []


_PLAIN: Final[dict[type, tuple[object, ...]]] = {
    bool: (True, False),
    int: _INTEGERS,
    float: _FLOATS,
    str: _STRINGS,
    bytes: _BYTES,
}


def _records(fields: Mapping[str, object], depth: int) -> list[object]:
    members = {name: _made_from(hint, depth + 1) or ["a"] for name, hint in fields.items()}
    return [{name: values[n % len(values)] for name, values in members.items()} for n in range(3)]


def of_remote(tool: RemoteTool) -> ToolCases:
    """A tool of which only its published description is known."""
    parameters = []
    for parameter in tool.parameters:
        values = parameter.choices or _BY_TYPE.get(parameter.type, _ANYTHING)
        if parameter.has_default and parameter.default not in values:
            values = (*values, parameter.default)
        parameters.append(Values(parameter.name, parameter.required, values[:_MOST]))
    return ToolCases(
        tool.name,
        tuple(parameters),
        streams=tool.supports_streaming,
        only_streams=False,
        deterministic=tool.metadata.get(DETERMINISTIC_KEY, "").lower() == "true",
    )
