"""Any Python value as plain JSON data: dicts with string keys, lists, and JSON's own scalars.

Tools return what they like, and one odd value must not fail the whole call: what JSON has no form
for becomes its nearest equivalent (tables below) or, last, a marker that names its type.

The result shares no list or dict with the value. This is what makes it safe to encode: a tool may
return state that other threads go on changing, and CPython 3.13's C encoder reads lists through
borrowed references without a lock. Each container is copied in one atomic step instead, so what
is sent is each container as it was at one moment (not all of them at the same one).

Must never import numpy: an array's own type already brought it in, or there is none.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import os
import uuid
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Final, cast

from ftbridge.wire.markers import marker
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy

# As deep as orjson writes, the incumbent's encoder; deeper values become markers.
MAX_DEPTH: Final = 254

# Exactly these types, not subclasses, go to the encoder as they are.
SCALARS: Final = frozenset((str, int, float, bool, type(None)))
_KEYS: Final = frozenset((str,))
# From this many items on, two passes in C cost less than one in Python.
FEW: Final = 12

type Plain = dict[str, Plain] | list[Plain] | str | int | float | bool | None


def to_plain(value: object, policy: WirePolicy = DEFAULT_POLICY, *, repair: bool = False) -> Plain:
    """`value` as plain JSON data.

    Args:
        value: anything; never changed, and never kept.
        policy: says what markers tell, and how long a list an array may become.
        repair: also replace the scalars that JSON or UTF-8 cannot carry: NaN and infinities by
            None, lone surrogates by U+FFFD, integers too long to print by markers. It costs a
            look at every scalar, so callers ask for it only after encoding has failed.
    """
    plain: Plain = _plain(value, set(), repair, policy)
    return plain


def _plain(value: Any, path: set[int], repair: bool, policy: WirePolicy) -> Any:
    """`path` holds the ids of the values around this one: it ends cycles and bounds the depth."""
    kind = type(value)
    if kind in SCALARS:
        return _repaired(value, policy) if repair else value
    inner: Any
    odd: Any = ()  # keys or indices of what needs more than a copy
    if kind is dict:
        inner = value.copy()
        if not repair:
            if len(inner) > FEW and _is_flat(inner):
                return inner
            odd = [
                k for k, item in inner.items() if type(item) not in SCALARS or type(k) is not str
            ]
            if not odd:
                return inner
    elif kind is list or kind is tuple:
        inner = list(value)
        if not repair and SCALARS.issuperset(map(type, inner)):
            return inner
    else:
        try:
            inner = _reduced(value, policy.max_list_elements)
        except Exception:  # noqa: BLE001 - the value's own code failed; the call must not
            inner = _ODD
        if inner is _ODD:
            return marker(value, policy)
    identity = id(value)
    if identity in path or len(path) >= MAX_DEPTH:
        return marker(value, policy)
    path.add(identity)  # no try below: after an exception the path is of no use to anyone
    if kind is dict:
        if repair or not _KEYS.issuperset(map(type, odd)):
            inner = _plain_items(inner, path, repair, policy)
        else:
            for key in odd:
                inner[key] = _plain(inner[key], path, False, policy)
    elif kind is list or kind is tuple:
        inner = [_plain(item, path, repair, policy) for item in inner]
    else:
        inner = _plain(inner, path, repair, policy)
    path.remove(identity)
    return inner


def _is_flat(value: dict[object, object]) -> bool:
    return _KEYS.issuperset(map(type, value)) and SCALARS.issuperset(map(type, value.values()))


def _plain_items(
    items: dict[object, object], path: set[int], repair: bool, policy: WirePolicy
) -> Plain:
    result: dict[str, Plain] = {}
    for key, item in items.items():
        name = key if type(key) is str and not repair else _key(key)
        # Two keys may have one text, such as 1 and "1": hosts keep the first, so do we.
        result.setdefault(name, _plain(item, path, repair, policy))
    return result


def _repaired(value: object, policy: WirePolicy) -> Plain:
    """A scalar that certainly encodes."""
    if type(value) is str:
        return _repaired_text(value)
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is int:
        try:
            int.__repr__(value)
        except ValueError:  # longer than sys.set_int_max_str_digits() allows, 4300 digits
            return cast("Plain", marker(value, policy))
    return cast("Plain", value)


def _repaired_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        # By way of UTF-16, so that two surrogates that make a character become that character.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _key(key: object) -> str:
    """The text of a dict's key: strings as they are, JSON's scalars as JSON writes them."""
    try:
        reduced = key if type(key) in SCALARS else _reduced(key, 1)
        if type(reduced) is str:
            return _repaired_text(reduced)
        if reduced is None or type(reduced) is bool:
            return {None: "null", True: "true", False: "false"}[reduced]
        if type(reduced) in (int, float):
            return str(reduced)
        return _repaired_text(str(key))
    except Exception:  # noqa: BLE001 - the key's own code failed; the call must not
        return f"<{type(key).__module__}.{type(key).__qualname__}>"


# Reduction: one step from an odd type towards a plain one; the result is looked at again.

_ODD: Final = object()
"""Answer of `_reduced` for a value without an equivalent."""


def _reduced_enum(value: enum.Enum) -> object:
    return value.value


def _reduced_time(value: datetime.date | datetime.time) -> object:
    return value.isoformat()


def _reduced_set(value: Set[Any]) -> object:
    items = list(value)
    try:
        items.sort()  # the same set gives the same bytes, where its items have an order
    except TypeError:
        pass
    return items


# In order: the first type that fits decides. Enums come before the int and str they may also be.
_REDUCTIONS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...]] = (
    (enum.Enum, _reduced_enum),
    (str, str.__str__),  # subclasses of the scalars, as the scalar
    (int, int.__int__),
    (float, float.__float__),
    ((datetime.date, datetime.time), _reduced_time),  # datetime is a date
    (datetime.timedelta, datetime.timedelta.total_seconds),
    ((decimal.Decimal, fractions.Fraction, uuid.UUID), str),  # text keeps them exact
    (os.PathLike, os.fspath),
    (collections.UserString, str),
    (Mapping, dict),
    (Set, _reduced_set),
)
# Raw bytes have no form inside JSON; alone they travel beside it (values.to_result).
_UNSENDABLE: Final = (bytes, bytearray, memoryview, type)
# Methods by which classes offer themselves as data: named tuples, pydantic models, many others.
_DATA_METHODS: Final = ("_asdict", "model_dump", "to_dict")


def _reduced(value: object, most: int) -> object:
    """`most`: elements of an array that may become a list."""
    if isinstance(value, _UNSENDABLE):
        return _ODD
    # Before the table: numpy.float64 is a float, numpy.str_ a str.
    if type(value).__module__ == "numpy":
        return _reduced_numpy(value, most)
    for kind, reduce in _REDUCTIONS:
        if isinstance(value, kind):
            return reduce(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    # Before anything spreads it out: pandas' objects and other libraries' arrays.
    if hasattr(type(value), "__array__") and _size(value) > most:
        return _ODD
    for name in _DATA_METHODS:
        if method := getattr(type(value), name, None):
            return method(value)
    if isinstance(value, Sequence):
        return list(value)
    # Arrays of other libraries and subclasses of numpy's; never an iterator, which reading ends.
    if method := getattr(type(value), "tolist", None):
        return method(value) if _size(value) <= most else _ODD
    return _ODD


def _size(value: Any) -> int:
    """How many elements another library's array says it has; 0 when it does not say."""
    size = getattr(value, "size", 0)
    if type(size) is int:
        return size
    shape = getattr(value, "shape", ())  # torch: size is a method
    return math.prod(shape) if isinstance(shape, tuple) else 0


def _reduced_numpy(value: Any, most: int) -> object:
    """An array as nested lists, a scalar as the Python number: exact for every dtype JSON has.

    The dtype itself does not travel.
    """
    if value.size > most:
        return _ODD
    if value.dtype.kind == "M":
        value = value.astype(str)  # tolist() would give bare numbers for some units
    reduced = value.tolist()
    if type(reduced) is type(value):  # longdouble, which Python has no equal of
        return float(value)
    return reduced
