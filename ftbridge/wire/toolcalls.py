"""The common forms of ExecuteToolRequest and its answer, read and written in one go.

The generated codec makes a message, a map and an `Any` for each argument, which the bridge takes
apart at once. Here the bytes that hosts really send become the arguments, and a result becomes
bytes, with nothing in between: on 3.13t every object and every call on this way is paid for each
request. Whatever is not in the common form goes the general way, which also finds the words for
what is wrong, so that both ways give the same values and the same errors (the tests hold one
against the other).
"""

from typing import Final

from ftbridge.wire.codec import Malformed, read_length, varint
from ftbridge.wire.messages import ExecuteToolRequest, ExecuteToolResponse
from ftbridge.wire.policy import WirePolicy
from ftbridge.wire.values import (
    RESULT_URLS,
    SHORT_INTEGER,
    STRING_VALUE_URL,
    encode_json,
    scan_json,
    to_result,
)

# Tags of the fields: number << 3 | wire type 2, length-delimited.
_SESSION_ID: Final = 0x0A
_TOOL_NAME: Final = 0x12
_PARAMETER: Final = 0x1A
_METADATA: Final = 0x22
_KEY: Final = 0x0A
_VALUE: Final = 0x12
_SUCCESS: Final = b"\x08\x01\x12"  # success: true, then the tag of `result`
_TIME: Final = b"\x28"  # the tag of `execution_time_ms`, a varint

# An Any up to the length of its value: type_url, and the tag of `value`.
_ANY_HEAD: Final = b"\x0a" + bytes((len(STRING_VALUE_URL),)) + STRING_VALUE_URL.encode() + b"\x12"
_ANY_HEAD_SIZE: Final = len(_ANY_HEAD)

_RESULT_HEADS: Final = {
    kind: b"\x0a" + bytes((len(url),)) + url.encode() + b"\x12" for kind, url in RESULT_URLS.items()
}
_LENGTHS: Final = tuple(bytes((n,)) for n in range(0x80))
_ZERO: Final = 0x30


class ToolCall:
    """What an ExecuteToolRequest asks for, its arguments read.

    Attributes:
        session_id, tool_name, metadata: the request's fields.
        arguments: its parameters as Python values, by name.
    """

    __slots__ = ("arguments", "metadata", "session_id", "tool_name")

    def __init__(
        self,
        session_id: str,
        tool_name: str,
        arguments: dict[str, object],
        metadata: dict[str, str],
    ) -> None:
        self.session_id = session_id
        self.tool_name = tool_name
        self.arguments = arguments
        self.metadata = metadata


def decode_tool_request(data: bytes) -> ToolCall | ExecuteToolRequest:
    """Read an ExecuteToolRequest: as a `ToolCall` where its form is the common one.

    That is: fields in the order of their numbers, names below 128 bytes, JSON arguments under the
    URL of StringValue, nothing else.

    Raises:
        DecodeError: the bytes are no such message.
    """
    try:
        found = _common_form(data)
    except (IndexError, ValueError, StopIteration, RecursionError, Malformed):
        found = None
    return ExecuteToolRequest.decode(data) if found is None else found


def _common_form(data: bytes) -> ToolCall | None:
    """None, or an exception that such bytes lead to, where the form is another."""
    end = len(data)
    pos = 0
    session_id = ""
    if data[0] == _SESSION_ID:
        size = data[1]
        pos = 2 + size
        if size > 0x7F:
            return None
        session_id = data[2:pos].decode()
    size = data[pos + 1]
    if data[pos] != _TOOL_NAME or size > 0x7F:
        return None
    start = pos + 2
    pos = start + size
    tool_name = data[start:pos].decode()
    arguments: dict[str, object] = {}
    while pos < end and data[pos] == _PARAMETER:
        size = data[pos + 1]
        pos += 2
        if size > 0x7F:
            size, pos = read_length(data, pos - 1, end)
        stop = pos + size
        key_start = pos + 2
        size = data[pos + 1]
        key_end = key_start + size
        if data[pos] != _KEY or size > 0x7F or data[key_end] != _VALUE:
            return None
        pos = key_end + 2
        size = data[pos - 1]
        if size > 0x7F:
            size, pos = read_length(data, pos - 1, end)
        # Everything must end where the entry ends; what follows there is for the general way.
        if pos + size != stop or not data.startswith(_ANY_HEAD, pos):
            return None
        pos += _ANY_HEAD_SIZE + 1
        size = data[pos - 1]
        if size > 0x7F:
            size, pos = read_length(data, pos - 1, end)
        if pos + size != stop:
            return None
        content = data[pos:stop]
        pos = stop
        if (
            content.isdigit()
            and len(content) <= SHORT_INTEGER
            and (content[0] != _ZERO or len(content) == 1)
        ):
            arguments[data[key_start:key_end].decode()] = int(content)
        else:
            text = content.decode()
            value, behind = scan_json(text, 0)
            if behind != len(text):
                return None
            arguments[data[key_start:key_end].decode()] = value
    metadata: dict[str, str] = {}
    while pos < end and data[pos] == _METADATA:
        # Lengths below 128, which one check of the entry's own sees to: no part is longer.
        size = data[pos + 1]
        stop = pos + 2 + size
        key_start = pos + 4
        key_end = key_start + data[pos + 3]
        start = key_end + 2
        if (
            size > 0x7F
            or data[pos + 2] != _KEY
            or data[key_end] != _VALUE
            or start + data[key_end + 1] != stop
        ):
            return None
        metadata[data[key_start:key_end].decode()] = data[start:stop].decode()
        pos = stop
    if pos != end:
        return None
    return ToolCall(session_id, tool_name, arguments, metadata)


def encode_tool_result(value: object, policy: WirePolicy, milliseconds: int) -> bytes:
    """A successful ExecuteToolResponse with `value` as `values.to_result` says, encoded.

    Args:
        milliseconds: the execution time. Never fails for what the value holds.
    """
    head = _RESULT_HEADS.get(type(value))
    if head is None or policy.snakepit:
        result, binary = to_result(value, policy)
        return ExecuteToolResponse(
            success=True, result=result, binary_result=binary, execution_time_ms=milliseconds
        ).encode()
    text = encode_json(value, policy)
    size = len(text)
    length = _LENGTHS[size] if size < 0x80 else varint(size)
    size += len(head) + len(length)
    whole = _LENGTHS[size] if size < 0x80 else varint(size)
    if not milliseconds:
        return b"".join((_SUCCESS, whole, head, length, text))
    return b"".join((_SUCCESS, whole, head, length, text, _TIME, varint(milliseconds)))
