"""google.protobuf as the codec's oracle, driven by its own descriptors, not by our tables.

A message is compared as a dict of its fields: absent is None, doubles are their eight bytes (so
that NaN equals NaN and -0.0 differs from 0.0).
"""

import math
import re
import struct
from typing import Any

from google.protobuf import any_pb2, timestamp_pb2
from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError as OracleDecodeError
from hypothesis import strategies as st

from ftbridge.wire import health, messages, reflection
from ftbridge.wire.codec import Message
from ftbridge.wire.proto import snakepit_bridge_pb2
from ftbridge.wire.proto.grpc.health.v1 import health_pb2
from ftbridge.wire.proto.grpc.reflection.v1 import reflection_pb2

UPB = api_implementation.Type() == "upb"
"""Whether the oracle is the C runtime; else it is the pure-Python one."""

type Plain = dict[str, Any]

REJECTED = "rejected"
NAN = struct.pack("<d", math.nan)


def _pairs() -> dict[str, tuple[type[Message], Any]]:
    pairs: dict[str, tuple[type[Message], Any]] = {
        "Any": (messages.Any, any_pb2.Any),
        "Timestamp": (messages.Timestamp, timestamp_pb2.Timestamp),
    }
    for ours, theirs in (
        (messages, snakepit_bridge_pb2), (health, health_pb2), (reflection, reflection_pb2),
    ):  # fmt: skip
        for name in theirs.DESCRIPTOR.message_types_by_name:
            pairs[name] = (getattr(ours, name), getattr(theirs, name))
    return pairs


PAIRS = _pairs()
NAMES = sorted(PAIRS)


def is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _plain_value(field: Any, value: Any) -> Any:
    if field.message_type:
        return plain(value, field.message_type)
    if field.type != field.TYPE_DOUBLE:
        return value
    # One NaN for all: the pure-Python oracle reads every NaN as the same.
    return NAN if math.isnan(value) else struct.pack("<d", value)


def plain(message: Any, descriptor: Any) -> Plain:
    """The fields of one of our messages, or of one of the oracle's."""
    theirs = hasattr(message, "HasField")
    result: Plain = {}
    for field in descriptor.fields:
        value = getattr(message, field.name)
        if is_map(field):
            item = field.message_type.fields_by_name["value"]
            result[field.name] = {key: _plain_value(item, value[key]) for key in value}
        elif field.is_repeated:
            result[field.name] = [_plain_value(field, item) for item in value]
        else:
            absent = value is None
            if theirs and (field.message_type or field.containing_oneof):
                absent = not message.HasField(field.name)
            result[field.name] = None if absent else _plain_value(field, value)
    return result


def _value(field: Any, value: Any, *, ours: bool) -> Any:
    if field.message_type:
        return build(field.message_type.name, value, ours=ours)
    return struct.unpack("<d", value)[0] if field.type == field.TYPE_DOUBLE else value


def _map_order(key: str) -> bytes:
    """Where the oracle's deterministic encoding puts a key: upb puts "ab" before its prefix "a"."""
    return key.encode() + b"\xff" if UPB else key.encode()


def build(name: str, content: Plain, *, ours: bool) -> Any:
    """A message with this content; maps in the oracle's order."""
    cls = PAIRS[name][0 if ours else 1]
    fields: Plain = {}
    for field in PAIRS[name][1].DESCRIPTOR.fields:
        value = content[field.name]
        if is_map(field):
            item = field.message_type.fields_by_name["value"]
            fields[field.name] = {
                key: _value(item, value[key], ours=ours) for key in sorted(value, key=_map_order)
            }
        elif field.is_repeated:
            fields[field.name] = [_value(field, item, ours=ours) for item in value]
        elif value is not None:
            fields[field.name] = _value(field, value, ours=ours)
    return cls(**fields)


# Strategies.

# Both sides of every change of length: varints, heads of one and two bytes, signs.
_INTEGERS = [0, 1, 127, 128, 16383, 16384, -1, -128]
_TEXT = st.text(max_size=12) | st.sampled_from(["é" * 63, "é" * 64, "x" * 127, "x" * 128, "\0"])
_BYTES = st.binary(max_size=12) | st.sampled_from([bytes(127), bytes(128), bytes(16384)])


def _scalars(field: Any) -> st.SearchStrategy[Any]:
    kind = field.type
    if kind == field.TYPE_STRING:
        return _TEXT
    if kind == field.TYPE_BYTES:
        return _BYTES
    if kind == field.TYPE_BOOL:
        return st.booleans()
    if kind == field.TYPE_DOUBLE:
        packed = st.floats(allow_nan=False).map(lambda value: struct.pack("<d", value))
        return packed | st.sampled_from([NAN, struct.pack("<d", -0.0), bytes(8)])
    bits = 63 if kind == field.TYPE_INT64 else 31
    ends = [(1 << bits) - 1, -(1 << bits)]
    return st.integers(-(1 << bits), (1 << bits) - 1) | st.sampled_from(_INTEGERS + ends)


def _elements(field: Any) -> st.SearchStrategy[Any]:
    return contents(field.message_type) if field.message_type else _scalars(field)


def contents(descriptor: Any) -> st.SearchStrategy[Plain]:
    """Contents of a message as `plain` gives them."""
    parts: dict[str, st.SearchStrategy[Any]] = {}
    for field in descriptor.fields:
        if is_map(field):
            item = field.message_type.fields_by_name["value"]
            parts[field.name] = st.dictionaries(_TEXT, _elements(item), max_size=3)
        elif field.is_repeated:
            parts[field.name] = st.lists(_elements(field), max_size=3)
        elif field.message_type or field.containing_oneof:
            parts[field.name] = st.none() | _elements(field)
        else:
            parts[field.name] = _elements(field)
    strategy = st.fixed_dictionaries(parts)
    for oneof in descriptor.oneofs:
        names = [field.name for field in oneof.fields]
        strategy = st.tuples(strategy, st.sampled_from(names)).map(
            lambda drawn, names=names: {  # type: ignore[misc]
                key: None if key in names and key != drawn[1] else value
                for key, value in drawn[0].items()
            }
        )
    return strategy


# Verdicts on any bytes.


def ours(name: str, data: bytes) -> Plain | str:
    """What our decoder makes of `data`: the fields, or `REJECTED`; anything else fails."""
    from ftbridge.wire import DecodeError

    cls, theirs = PAIRS[name]
    try:
        return plain(cls.decode(data), theirs.DESCRIPTOR)
    except DecodeError:
        return REJECTED


def theirs(name: str, data: bytes) -> Plain | str:
    """What google.protobuf makes of `data`."""
    cls = PAIRS[name][1]
    try:
        return plain(cls.FromString(data), cls.DESCRIPTOR)
    except (OracleDecodeError, UnicodeDecodeError):  # the pure-Python runtime raises the second
        return REJECTED


# Overlong and very long varints, which the pure-Python runtime takes for unknown fields or
# accepts as lengths, while upb, C++ and we do not.
_ODD_VARINT = re.compile(rb"[\x80-\xff](?:\x00|[\x80-\xff]{4})")
# A group's start: the pure-Python runtime skips an unknown group without a look at the numbers
# inside, and does not miss its end where the message ends.
_GROUP = re.compile(rb"[" + re.escape(bytes(range(3, 256, 8))) + rb"]")


def differs_knowingly(name: str, data: bytes, mine: Plain | str, other: Plain | str) -> bool:
    """Whether the difference is one that test_decoding.py documents, and the oracle's alone."""
    if not UPB:
        lax = mine == REJECTED and _GROUP.search(data)
        return bool(lax or _ODD_VARINT.search(data))
    if mine == REJECTED and not PAIRS[name][1].DESCRIPTOR.fields:
        return True  # upb minds field number 0 only in messages that have fields
    if isinstance(mine, str) or isinstance(other, str):
        return False
    # upb sets a map entry with an unknown field aside as unknown; others read key and value.
    return all(mine[key] == other[key] or _lacks_entries(mine[key], other[key]) for key in mine)


def _lacks_entries(mine: Any, other: Any) -> bool:
    if isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other):
        return all(
            m == o or (isinstance(m, dict) and _lacks_entries(m, o))
            for m, o in zip(mine, other, strict=True)
        )
    return (
        isinstance(mine, dict)
        and isinstance(other, dict)
        and set(other) <= set(mine)
        # A later entry set aside leaves the value of an earlier one with the same key.
        and all(type(other[key]) is type(mine[key]) for key in other)
    )
