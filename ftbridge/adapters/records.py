"""Maps with named fields: dataclasses, typed dicts, and models that validate themselves.

A dataclass parameter takes a map and gets an instance; a TypedDict parameter stays a dict. Every
wrong, missing and unknown field of one value is named at once.
"""

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast, get_args, get_origin

from ftbridge.adapters.matching import MAP, Accept, Mismatch, describe, spell_out

_ABSENT: Final = object()

# What a TypedDict writes around the type of a key. `ReadOnly` is one too (PEP 705).
_QUALIFIERS: Final = frozenset({typing.Required, typing.NotRequired, typing.ReadOnly})

type Read = Callable[[object], Accept]


class _Fields:
    """The fields of one class, and the check of a map against them."""

    __slots__ = ("_closed", "_fields")

    def __init__(self, *, closed: bool) -> None:
        # Filled after the record's `Accept` exists, since a field may be of the record's own type.
        self._fields: dict[str, tuple[Accept, bool]] = {}
        self._closed = closed

    def add(self, name: str, accept: Accept, *, required: bool) -> None:
        self._fields[name] = accept, required

    def take(self, value: Mapping[str, object]) -> dict[str, object]:
        """The fields that differ from what `value` holds. Raises `Mismatch`."""
        changed: dict[str, object] = {}
        missing, problems = [], []
        for name, (accept, required) in self._fields.items():
            item = value.get(name, _ABSENT)
            if item is _ABSENT:
                if required:
                    missing.append(name)
                continue
            try:
                taken = accept.take(item)
            except Mismatch as mismatch:
                problems.append(f"whose {name!r} is {mismatch}, not {accept.expected}")
                continue
            if taken is not item:
                changed[name] = taken
        if self._closed:
            unknown = [str(name) for name in value if name not in self._fields]
            if unknown:
                problems.insert(0, "with the unknown " + ", ".join(map(repr, unknown)))
        if missing:
            problems.insert(0, "without " + ", ".join(map(repr, missing)))
        if problems:
            raise Mismatch(spell_out(problems))
        return changed


class _Instance:
    """Builds a dataclass from a map."""

    __slots__ = ("_class", "fields")

    def __init__(self, cls: type) -> None:
        self._class = cls
        self.fields = _Fields(closed=True)

    def __call__(self, value: object) -> object:
        if isinstance(value, self._class):
            return value
        if not isinstance(value, Mapping):
            raise Mismatch(describe(value))
        changed = self.fields.take(value)
        try:
            return self._class(**{**value, **changed})
        except (TypeError, ValueError) as error:  # its own __post_init__
            raise Mismatch(f"one that {self._class.__name__} refuses: {error}") from None


class _Keys:
    """Checks a dict against a TypedDict, a structural type: further keys are allowed."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields = _Fields(closed=False)

    def __call__(self, value: object) -> object:
        if not isinstance(value, dict):
            raise Mismatch(describe(value))
        changed = self.fields.take(value)
        return {**value, **changed} if changed else value


class _Model(Protocol):
    def model_validate(self, value: object) -> object: ...


class _Validated:
    """Has a model (pydantic's, or one that looks like it) make itself from a map."""

    __slots__ = ("_class",)

    def __init__(self, cls: type) -> None:
        self._class = cls

    def __call__(self, value: object) -> object:
        if isinstance(value, self._class):
            return value
        if not isinstance(value, Mapping):
            raise Mismatch(describe(value))
        try:
            return cast("_Model", self._class).model_validate(value)
        except ValueError as error:  # pydantic's ValidationError is one
            raise Mismatch(f"one that {self._class.__name__} refuses: {error}") from None


def dataclass_accept(cls: type, read: Read, known: dict[object, Accept]) -> Accept:
    """What a dataclass parameter takes. `known` gets it before its fields are read."""
    convert = _Instance(cls)
    known[cls] = made = Accept(
        wire_type=MAP, expected=f"a map of the fields of {cls.__name__}", convert=convert
    )
    hints = _hints(cls)
    for field in dataclasses.fields(cast("Any", cls)):
        if field.init:
            convert.fields.add(
                field.name,
                read(hints.get(field.name, Any)),
                required=field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING,
            )
    return made


def typed_dict_accept(cls: type, read: Read, known: dict[object, Accept]) -> Accept:
    """What a TypedDict parameter takes. `known` gets it before its keys are read."""
    convert = _Keys()
    fields = _typed_dict_fields(cls)
    names = ", ".join([repr(name) for name, (_, required) in sorted(fields.items()) if required])
    known[cls] = made = Accept(
        wire_type=MAP,
        expected=f"a map with the keys {names}" if names else "a map",
        convert=convert,
    )
    for name, (hint, required) in fields.items():
        convert.fields.add(name, read(hint), required=required)
    return made


def _typed_dict_fields(cls: type) -> dict[str, tuple[object, bool]]:
    """The types of a TypedDict's keys, and which are required.

    `__required_keys__` alone does not tell: where annotations are strings, it has not seen
    `NotRequired`.
    """
    keys = cast("frozenset[str]", getattr(cls, "__required_keys__", frozenset()))
    found = {}
    for name, hint in _hints(cls).items():
        required = name in keys
        while (qualifier := get_origin(hint)) in _QUALIFIERS:
            if qualifier is not typing.ReadOnly:
                required = qualifier is typing.Required
            hint = get_args(hint)[0]
        found[name] = hint, required
    return found


def model_accept(cls: type) -> Accept:
    """What a parameter takes whose class has a `model_validate`."""
    return Accept(
        wire_type=MAP, expected=f"a map that {cls.__name__} takes", convert=_Validated(cls)
    )


def _hints(cls: type) -> dict[str, Any]:
    """Resolved annotations of the fields; Any for those that cannot be resolved."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001  # a name imported for type checkers only, or worse
        found = {}
        for base in reversed(cls.__mro__):
            names = vars(sys.modules[base.__module__])
            for name, hint in inspect.get_annotations(base).items():
                found[name] = hint
                if isinstance(hint, str):
                    try:
                        found[name] = eval(hint, names)  # the author's own source, as typing does
                    except Exception:  # noqa: BLE001
                        found[name] = Any
        return found
