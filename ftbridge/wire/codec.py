"""What the generated encoders and decoders share: errors, varints, skipping, diagnosis.

The generated modules are straight-line code for the common case (one-byte tags and lengths,
fields in order); everything rarer is a call into this module. The rules are those of the
protobuf encoding as upb, the C runtime behind google.protobuf, applies them: `tests/wire` holds
the two against each other.

Must never import google.protobuf: it is the tests' oracle, not a run-time dependency, and its
pure-Python form costs twenty times as much. Must never import the generated modules.
"""

import operator
import reprlib
import struct
from collections.abc import Iterable
from typing import ClassVar, Final, NoReturn, Self

# https://protobuf.dev/programming-guides/encoding/: ten groups of seven bits hold 64 bits.
MAX_VARINT_BYTES: Final = 10
# Tags and lengths are 32-bit quantities; upb and C++ reject a sixth byte even when it adds nothing.
MAX_TAG_BYTES: Final = 5
MAX_TAG: Final = 0xFFFF_FFFF
# protobuf's limit for one message, 2 GiB - 1.
MAX_LENGTH: Final = 0x7FFF_FFFF
# upb's and C++'s default recursion limit. Declared messages nest at most four deep here (the
# generator refuses recursive ones), so only unknown groups can reach it.
MAX_GROUP_DEPTH: Final = 100

INT32_RANGE: Final = (-(1 << 31), (1 << 31) - 1)
INT64_RANGE: Final = (-(1 << 63), (1 << 63) - 1)
_MASK64: Final = 0xFFFF_FFFF_FFFF_FFFF

# Wire types, the low three bits of a tag.
_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH_DELIMITED: Final = 2
_START_GROUP: Final = 3
_END_GROUP: Final = 4
_FIXED32: Final = 5

pack_double: Final = struct.Struct("<d").pack
unpack_double: Final = struct.Struct("<d").unpack_from


class DecodeError(ValueError):
    """The bytes are not a message of the type asked for.

    The only exception a decoder raises, whatever the bytes.

    Attributes:
        message: name of the message being read, such as "ExecuteToolRequest".
        field: name of the field being read, "" between fields.
        offset: index into the decoded bytes near which reading failed.
    """

    def __init__(self, message: str, field: str, offset: int, reason: str) -> None:
        where = f"{message}.{field}" if field else message
        super().__init__(f"{where}: {reason} at byte {offset}")
        self.message = message
        self.field = field
        self.offset = offset
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, int, str]]:
        return type(self), (self.message, self.field, self.offset, self.reason)


class EncodeError(ValueError):
    """A field holds what its type cannot carry: a lone surrogate, a wrong type, a large integer.

    The text names message and field. Encoders raise nothing else for the values they are given.
    """


class Malformed(Exception):  # noqa: N818 - a signal inside the decoders, never seen outside
    """Raised by the helpers below, which know what is wrong but not in which field."""


class Message:
    """Base of all generated messages: equality by value, and a repr that shows what is set."""

    __slots__ = ()

    FIELDS: ClassVar[tuple[tuple[str, str, bool], ...]] = ()
    """(name, type as in the .proto, whether None means unset), in order of field numbers."""

    __hash__ = None  # type: ignore[assignment]  # mutable, compared by value

    def encode(self) -> bytes:
        """The message in protobuf's binary format; `EncodeError` when a field does not fit."""
        raise NotImplementedError

    @staticmethod
    def decode(data: bytes) -> "Message":
        """Read a message; `DecodeError` when the bytes are not one."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        # Not all(...): a generator expression is a function made for each call, and those are
        # never freed on free-threaded 3.13.
        for name, _, _ in self.FIELDS:  # noqa: SIM110
            if getattr(self, name) != getattr(other, name):
                return False
        return True

    def __repr__(self) -> str:
        shown = [
            f"{name}={value!r}"
            for name, _, optional in self.FIELDS
            if (value := getattr(self, name)) is not None and (optional or value)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


# Decoding. Positions are indices into one buffer; `end` bounds the message or field being read,
# and lies inside the buffer.


def as_bytes(value: object) -> bytes:
    """The content of any other buffer as bytes; TypeError for what is not a buffer.

    `bytes(5)` would allocate instead of fail, hence the detour.
    """
    return memoryview(value).tobytes()  # type: ignore[arg-type]


def read_varint(buf: bytes, pos: int, end: int) -> tuple[int, int]:
    """An unsigned 64-bit varint and the position behind it.

    Bits past the 64th are dropped, as protobuf does; an eleventh byte is malformed.
    """
    value = 0
    for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
        if pos >= end:
            raise Malformed("the number is cut off")
        byte = buf[pos]
        pos += 1
        if byte < 0x80:
            return (value | byte << shift) & _MASK64, pos
        value |= (byte & 0x7F) << shift
    raise Malformed(f"a number of more than {MAX_VARINT_BYTES} bytes")


def read_int64(buf: bytes, pos: int, end: int) -> tuple[int, int]:
    """A signed 64-bit varint (two's complement) and the position behind it."""
    value, pos = read_varint(buf, pos, end)
    return value - (1 << 64) if value >> 63 else value, pos


def read_int32(buf: bytes, pos: int, end: int) -> tuple[int, int]:
    """A signed 32-bit varint and the position behind it; higher bits are dropped."""
    value, pos = read_varint(buf, pos, end)
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value, pos


def read_length(buf: bytes, pos: int, end: int) -> tuple[int, int]:
    """The length before a length-delimited field, and the position behind it.

    The caller checks that as many bytes remain; nothing is allocated by a length alone.
    """
    start = pos
    value, pos = read_varint(buf, pos, min(end, start + MAX_TAG_BYTES))
    if value > MAX_LENGTH:
        raise Malformed(f"a length of {value} bytes")
    return value, pos


def read_packed_int32(buf: bytes, pos: int, end: int, into: list[int]) -> None:
    """Append the int32 values packed into [pos, end)."""
    while pos < end:
        value, pos = read_int32(buf, pos, end)
        into.append(value)


def _read_tag(buf: bytes, pos: int, end: int) -> tuple[int, int]:
    value, pos = read_varint(buf, pos, min(end, pos + MAX_TAG_BYTES))
    if value > MAX_TAG:
        raise Malformed(f"a field number of {value >> 3}")
    return value, pos


def skip_unknown(buf: bytes, pos: int, end: int, known: frozenset[int]) -> tuple[int, int]:
    """Step over fields from `pos` on until one in `known` or the end.

    Returns:
        (tag, position of the tag's last byte), so that the caller finds the content behind it
        whether the tag was one byte or, legally, more; (0, end) when nothing known followed.
    """
    while pos < end:
        tag, behind = _read_tag(buf, pos, end)
        if tag in known:
            return tag, behind - 1
        if tag < 8:
            raise Malformed("field number 0")
        pos = _skip_field(buf, tag, behind, end)
    return 0, pos


def _skip_field(buf: bytes, tag: int, pos: int, end: int) -> int:
    """The position behind the unknown field whose tag ends just before `pos`."""
    open_groups: list[int] = []  # field numbers; a list, so that depth costs no stack
    while True:
        wire_type = tag & 7
        if wire_type == _VARINT:
            _, pos = read_varint(buf, pos, end)
        elif wire_type == _LENGTH_DELIMITED:
            size, pos = read_length(buf, pos, end)
            pos += size
        elif wire_type == _FIXED64:
            pos += 8
        elif wire_type == _FIXED32:
            pos += 4
        elif wire_type == _START_GROUP:
            open_groups.append(tag >> 3)
            if len(open_groups) > MAX_GROUP_DEPTH:
                raise Malformed(f"groups nested deeper than {MAX_GROUP_DEPTH}")
        elif wire_type == _END_GROUP:
            if not open_groups or open_groups.pop() != tag >> 3:
                raise Malformed(f"the end of group {tag >> 3}, which is not open")
        else:
            raise Malformed(f"wire type {wire_type}, which does not exist")
        if pos > end:
            raise Malformed("an unknown field runs past the end")
        if not open_groups:
            return pos
        tag, pos = _read_tag(buf, pos, end)


def malformed(
    message: str, fields: dict[int, str], tag: int, pos: int, error: Exception
) -> DecodeError:
    """The `DecodeError` for what stopped a generated decoder at `pos`, in the field of `tag`."""
    if isinstance(error, DecodeError):
        return error  # a nested message failed and has said so already
    field = fields.get(tag, "")
    if isinstance(error, UnicodeDecodeError):
        return DecodeError(message, field, pos + error.start, "text that is not valid UTF-8")
    if isinstance(error, IndexError):
        return DecodeError(message, field, pos, "the message is cut off")
    return DecodeError(message, field, pos, str(error))


DECODE_FAILURES: Final = (IndexError, UnicodeDecodeError, Malformed, DecodeError)
"""What the statements of a generated decoder raise on hostile bytes."""


def overrun(size: int, left: int) -> NoReturn:
    """Raise for a field that claims more bytes than remain of what holds it."""
    raise Malformed(f"a field of {size} bytes where {left} are left")


# Encoding.


def varint(value: int) -> bytes:
    """`value`, not negative, as a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def short_fields(tag: int) -> tuple[bytes, ...]:
    """The tag followed by each one-byte varint: the head of a field of up to 127 bytes, or the
    whole of a small integer field."""
    return tuple(bytes((tag, value)) for value in range(0x80))


def field_head(tag: int, size: int) -> bytes:
    """Tag and length of a length-delimited field."""
    return varint(tag) + varint(size)


def int64_field(tag: int, value: int) -> bytes:
    """A signed 64-bit field; negative values take ten bytes, as protobuf has it."""
    value = operator.index(value)
    if not INT64_RANGE[0] <= value <= INT64_RANGE[1]:
        raise OverflowError
    return varint(tag) + varint(value & _MASK64)


def int32_field(tag: int, value: int) -> bytes:
    """A signed 32-bit or enum field; negative values are extended to 64 bits, ten bytes."""
    value = operator.index(value)
    if not INT32_RANGE[0] <= value <= INT32_RANGE[1]:
        raise OverflowError
    return varint(tag) + varint(value & _MASK64)


def packed_int32_field(tag: int, values: Iterable[int]) -> bytes:
    """A repeated int32 field in packed form."""
    content = b"".join([int32_field(0, value)[1:] for value in values])
    return field_head(tag, len(content)) + content


ENCODE_FAILURES: Final = (
    AttributeError,
    TypeError,
    ValueError,  # UnicodeEncodeError and EncodeError are among them
    OverflowError,
    IndexError,
    struct.error,
)
"""What the statements of a generated encoder raise for values that do not fit."""


def unencodable(message: Message, error: Exception) -> EncodeError:
    """The `EncodeError` for `error`: finds the field that caused it."""
    if isinstance(error, EncodeError):
        return error  # a nested message failed and has said so already
    name = type(message).__name__
    for field, kind, optional in message.FIELDS:
        try:
            value = getattr(message, field)
        except AttributeError:
            return EncodeError(f"{name}.{field} was never set")
        if value is None and optional:
            continue
        if fault := _fault(kind, value):
            return EncodeError(f"{name}.{field} ({kind}): {fault}")
    return EncodeError(f"{name}: {error}")


def _fault(kind: str, value: object) -> str:
    """Why `value` does not fit a field of type `kind`, or ""."""
    if kind.startswith("map<"):
        if not isinstance(value, dict):
            return f"expected a dict, got {_described(value)}"
        key_kind, _, item_kind = kind[4:-1].partition(", ")
        for key, item in value.items():
            if fault := _fault(key_kind, key):
                return f"key {key!r}: {fault}"
            if fault := _fault(item_kind, item):
                return f"value of {key!r}: {fault}"
        return ""
    if kind.startswith("repeated "):
        if not isinstance(value, list | tuple):
            return f"expected a list, got {_described(value)}"
        for index, item in enumerate(value):
            if fault := _fault(kind.removeprefix("repeated "), item):
                return f"item {index}: {fault}"
        return ""
    return _scalar_fault(kind, value)


def _scalar_fault(kind: str, value: object) -> str:
    expected: type = {"string": str, "bytes": bytes, "double": float}.get(kind, object)
    if kind in ("int32", "int64", "enum"):
        if not hasattr(value, "__index__"):
            return f"expected int, got {_described(value)}"
        low, high = INT64_RANGE if kind == "int64" else INT32_RANGE
        number = operator.index(value)
        return "" if low <= number <= high else f"{number} is outside {low}..{high}"
    if kind == "string" and isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            lone = value[error.start]
            return f"lone surrogate {lone!a} at index {error.start} has no UTF-8 form"
        return ""
    if kind == "double" and isinstance(value, int):
        return "the integer is too large for a double"
    if expected is object:
        known = isinstance(value, Message) and type(value).__name__ == kind.rpartition(".")[2]
        return "" if known or kind == "bool" else f"expected {kind}, got {_described(value)}"
    return (
        ""
        if isinstance(value, expected)
        else (f"expected {expected.__name__}, got {_described(value)}")
    )


def _described(value: object) -> str:
    return f"{type(value).__name__} {reprlib.repr(value)}"
