"""Decoding odd and hostile bytes: each case beside what google.protobuf does with it.

The rows are facts about the oracle too: a row passes only if upb (GIL build) and the pure-Python
runtime (free-threaded build) do the same, unless the row names the one that differs.
"""

import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire.oracle import (
    NAMES,
    PAIRS,
    REJECTED,
    UPB,
    build,
    contents,
    differs_knowingly,
    ours,
    theirs,
)  # fmt: skip

from ftbridge.wire import DecodeError, messages
from ftbridge.wire.codec import MAX_GROUP_DEPTH


def varint(value: int, width: int = 0) -> bytes:
    """`value` as a varint, made `width` bytes long with needless zero groups."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if not value and len(out) + 1 >= width:
            return bytes([*out, low])
        out.append(low | 0x80)


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


NEGATIVE = b"\xff" * 9 + b"\x01"
GROUP_15, END_15 = b"\x7b", b"\x7c"

# name, message, bytes, a field, its value or REJECTED, which oracle differs and why
CASES = [
    # varints
    ("int32 of 10 bytes", "SessionConfig", b"\x10" + varint(5, 10), "cache_ttl_seconds", 5, ""),
    ("int32 of 11 bytes", "SessionConfig", b"\x10" + varint(5, 11), "", REJECTED, ""),
    ("int32 -1", "SessionConfig", b"\x10" + NEGATIVE, "cache_ttl_seconds", -1, ""),
    ("int32 drops bits", "SessionConfig", b"\x10" + varint(1 << 32 | 5), "cache_ttl_seconds", 5,
     ""),
    ("int32 wraps", "SessionConfig", b"\x10" + varint(1 << 31), "cache_ttl_seconds", -1 << 31, ""),
    ("int64 drops bits", "ExecuteToolResponse", b"\x28" + b"\xff" * 9 + b"\x7f",
     "execution_time_ms", -1, ""),
    ("int64 of bits past 64", "ExecuteToolResponse", b"\x28" + b"\x80" * 9 + b"\x02",
     "execution_time_ms", 0, ""),
    ("bool of 2", "SessionConfig", b"\x08\x02", "enable_caching", True, ""),
    ("bool of a high bit", "SessionConfig", b"\x08" + varint(1 << 63), "enable_caching", True, ""),
    ("bool of bits past 64", "SessionConfig", b"\x08" + b"\x80" * 9 + b"\x02", "enable_caching",
     False, ""),
    ("enum unknown", "HealthCheckResponse", b"\x08\x63", "status", 99, ""),
    ("enum negative", "HealthCheckResponse", b"\x08" + NEGATIVE, "status", -1, ""),
    ("varint cut", "SessionConfig", b"\x10\x80", "", REJECTED, ""),
    # tags
    ("tag of 2 bytes", "PingRequest", varint(10, 2) + b"\x01a", "message", "a",
     "python: takes it for an unknown field"),
    ("tag of 5 bytes", "PingRequest", varint(10, 5) + b"\x01a", "message", "a",
     "python: takes it for an unknown field"),
    ("tag of 6 bytes", "PingRequest", varint(10, 6) + b"\x01a", "", REJECTED,
     "python: has no limit"),
    ("largest field number", "PingRequest", varint((1 << 29) - 1 << 3) + b"\x01", "message", "",
     ""),
    ("field number 2**29", "PingRequest", varint(1 << 32) + b"\x01", "", REJECTED,
     "python: has no limit"),
    ("field number 0", "PingRequest", b"\x00\x01", "", REJECTED, ""),
    ("field number 0, long", "PingRequest", b"\x02\x00", "", REJECTED, ""),
    ("field number 0, two bytes", "PingRequest", b"\x80\x00\x01", "", REJECTED, ""),
    ("wire type 6", "PingRequest", b"\x0e", "", REJECTED, ""),
    ("wire type 7", "PingRequest", b"\x7f", "", REJECTED, ""),
    ("known field, other wire type", "PingRequest", b"\x08\x01", "message", "", ""),
    ("tag alone", "PingRequest", b"\x0a", "", REJECTED, ""),
    # lengths
    ("length of 5 bytes", "PingRequest", b"\x0a" + varint(1, 5) + b"a", "message", "a", ""),
    ("length of 6 bytes", "PingRequest", b"\x0a" + varint(1, 6) + b"a", "", REJECTED,
     "python: has no limit"),
    ("length past the end", "PingRequest", b"\x0a\x05abc", "", REJECTED, ""),
    ("length 2**31", "PingRequest", b"\x0a" + varint(1 << 31), "", REJECTED, ""),
    ("length 2**64 - 1", "PingRequest", b"\x0a" + varint((1 << 64) - 1), "", REJECTED, ""),
    ("unknown length 2**64 - 1", "PingRequest", b"\x7a" + varint((1 << 64) - 1), "", REJECTED, ""),
    ("nested past its parent", "PingResponse", b"\x12\x02\x08\x80\x01", "", REJECTED, ""),
    ("nested past everything", "PingResponse", b"\x12\x05\x08\x01", "", REJECTED, ""),
    # Where what follows the parent would make up for what the field lacks.
    ("number's byte past its parent", "PingResponse", b"\x12\x01\x08\x0a\x01a", "", REJECTED, ""),
    ("bool's byte past its parent", "TelemetryControl", b"\x0a\x01\x08\x0a\x00", "", REJECTED, ""),
    ("double past its parent", "TelemetryControl", b"\x12\x03\x09" + b"\x12\x00" * 8, "", REJECTED,
     ""),
    ("text past its parent", "TelemetryControl", b"\x1a\x03\x0a\x03a" + b"\x0a\x00", "", REJECTED,
     ""),
    ("key past its entry", "ToolChunk", b"\x22\x03\x0a\x03a" + b"\x1a\x00" * 3, "", REJECTED, ""),
    ("text value past its entry", "ToolChunk", b"\x22\x03\x12\x03a" + b"\x1a\x00" * 3, "", REJECTED,
     ""),
    ("bytes value past its entry", "ExecuteToolRequest", b"\x32\x03\x12\x03a" + b"\x0a\x00" * 3, "",
     REJECTED, ""),
    ("message value past its entry", "ExecuteToolRequest", b"\x1a\x02\x12\x02" + b"\x0a\x00" * 3,
     "", REJECTED, ""),
    ("unknown field past its entry", "ToolChunk", b"\x22\x03\x7a\x03a" + b"\x1a\x00" * 3, "",
     REJECTED, ""),
    # unknown fields
    ("unknown varint", "PingRequest", b"\x78" + b"\xff" * 9 + b"\x7f", "message", "", ""),
    ("unknown varint of 11", "PingRequest", b"\x78" + b"\xff" * 10 + b"\x01", "", REJECTED, ""),
    ("unknown fixed64", "PingRequest", b"\x79" + bytes(8) + b"\x0a\x01a", "message", "a", ""),
    ("unknown fixed64 cut", "PingRequest", b"\x79abc", "", REJECTED, ""),
    ("unknown fixed32", "PingRequest", b"\x7d" + bytes(4) + b"\x0a\x01a", "message", "a", ""),
    ("unknown fixed32 cut", "PingRequest", b"\x7dabc", "", REJECTED, ""),
    ("unknown bytes, not UTF-8", "PingRequest", b"\x7a\x01\xff", "message", "", ""),
    ("group", "PingRequest", GROUP_15 + b"\x08\x01" + END_15 + b"\x0a\x01a", "message", "a", ""),
    ("group of a known number", "PingRequest", b"\x0b\x0c", "message", "", ""),
    ("group, field number 0 inside", "PingRequest", GROUP_15 + b"\x00\x01" + END_15, "message", "",
     ""),
    ("group not ended", "PingRequest", GROUP_15, "", REJECTED, ""),
    ("group ended by another", "PingRequest", GROUP_15 + b"\x74", "", REJECTED, ""),
    ("group ended by an overlong tag", "PingRequest", GROUP_15 + varint(0x7C, 2), "message", "",
     "python: compares bytes"),
    ("group ended, not begun", "PingRequest", b"\x0c", "", REJECTED, ""),
    ("groups, 99 deep", "PingRequest", GROUP_15 * 99 + END_15 * 99, "message", "", ""),
    ("groups, 100 deep", "PingRequest", GROUP_15 * 100 + END_15 * 100, "message", "",
     "python: allows one less"),
    ("groups, 101 deep", "PingRequest", GROUP_15 * 101 + END_15 * 101, "", REJECTED, ""),
    ("groups, 100 deep in a field", "HeartbeatResponse",
     field(1, GROUP_15 * 100 + END_15 * 100), "server_time", {"seconds": 0, "nanos": 0},
     "both: count the message's own levels too"),
    # text
    ("not UTF-8", "PingRequest", b"\x0a\x01\xff", "", REJECTED, ""),
    ("surrogate", "PingRequest", b"\x0a\x03\xed\xa0\x80", "", REJECTED, ""),
    ("overlong NUL", "PingRequest", b"\x0a\x02\xc0\x80", "", REJECTED, ""),
    ("past U+10FFFF", "PingRequest", b"\x0a\x04\xf4\x90\x80\x80", "", REJECTED, ""),
    ("not UTF-8, replaced later", "PingRequest", b"\x0a\x01\xff\x0a\x01a", "", REJECTED, ""),
    ("key not UTF-8", "ToolChunk", b"\x22\x03\x0a\x01\xff", "", REJECTED, ""),
    ("value not UTF-8", "ToolChunk", b"\x22\x06\x0a\x01a\x12\x01\xff", "", REJECTED, ""),
    # maps
    ("empty entry", "ToolChunk", b"\x22\x00", "metadata", {"": ""}, ""),
    ("empty entry of messages", "ExecuteToolRequest", b"\x1a\x00", "parameters",
     {"": {"type_url": "", "value": b""}}, ""),
    ("value before key", "ToolChunk", b"\x22\x06\x12\x01b\x0a\x01a", "metadata", {"a": "b"}, ""),
    ("key twice in an entry", "ToolChunk", b"\x22\x09\x0a\x01a\x0a\x01b\x12\x01c", "metadata",
     {"b": "c"}, ""),
    ("key in two entries", "ToolChunk", b"\x22\x06\x0a\x01a\x12\x01b\x22\x06\x0a\x01a\x12\x01c",
     "metadata", {"a": "c"}, ""),
    ("key in two entries, value missing in the second", "ToolChunk",
     b"\x22\x06\x0a\x01a\x12\x01b\x22\x03\x0a\x01a", "metadata", {"a": ""}, ""),
    ("value twice in an entry is merged", "ExecuteToolRequest",
     field(3, b"\x0a\x01a" + field(2, b"\x0a\x01x") + field(2, b"\x12\x01y")), "parameters",
     {"a": {"type_url": "x", "value": b"y"}}, ""),
    ("values of two entries are not merged", "ExecuteToolRequest",
     field(3, b"\x0a\x01a" + field(2, b"\x0a\x01x"))
     + field(3, b"\x0a\x01a" + field(2, b"\x12\x01y")), "parameters",
     {"a": {"type_url": "", "value": b"y"}}, ""),
    ("unknown field in an entry", "ToolChunk", b"\x22\x08\x0a\x01a\x12\x01b\x78\x01", "metadata",
     {"a": "b"}, "upb: sets the whole entry aside as unknown"),
    ("other wire types in an entry", "ToolChunk", b"\x22\x04\x08\x01\x10\x01", "metadata", {"": ""},
     "upb: sets the whole entry aside as unknown"),
    ("group's end in an entry", "ToolChunk", b"\x22\x01\x0c", "", REJECTED, ""),
    ("map as a number", "ToolChunk", b"\x20\x01", "metadata", {}, ""),
    # messages and oneofs
    ("message twice is merged", "PingResponse", b"\x12\x02\x08\x05\x12\x02\x10\x07", "server_time",
     {"seconds": 5, "nanos": 7}, ""),
    ("scalar twice, last wins", "PingRequest", b"\x0a\x01a\x0a\x01b", "message", "b", ""),
    ("scalar back to its default", "PingRequest", b"\x0a\x01a\x0a\x00", "message", "", ""),
    ("oneof, last wins", "TelemetryControl", b"\x0a\x02\x08\x01\x1a\x03\x0a\x01x", "toggle", None,
     ""),
    ("oneof member again is merged", "TelemetryControl", b"\x1a\x03\x0a\x01x\x1a\x03\x0a\x01y",
     "filter", {"allow": ["x", "y"], "deny": []}, ""),
    ("oneof member again after another is not", "TelemetryControl",
     b"\x1a\x03\x0a\x01x\x0a\x00\x1a\x03\x0a\x01y", "filter", {"allow": ["y"], "deny": []}, ""),
    ("oneof scalar, default but set", "TelemetryValue", b"\x08\x00", "int_value", 0, ""),
    ("double cut", "TelemetryValue", b"\x11" + bytes(7), "", REJECTED, ""),
    # repeated numbers
    ("one by one and packed", "ExtensionNumberResponse", b"\x10\x01\x12\x02\x03\x04\x10\x02",
     "extension_number", [1, 3, 4, 2], ""),
    ("packed, cut", "ExtensionNumberResponse", b"\x12\x02\x03\x80", "", REJECTED, ""),
    ("packed, running out of its field", "ExtensionNumberResponse", b"\x12\x01\x80\x01", "",
     REJECTED, ""),
    ("packed, none", "ExtensionNumberResponse", b"\x12\x00", "extension_number", [], ""),
    ("unknown field in an empty message", "HealthListRequest", b"\x0a\x01\xff", None, None, ""),
    ("field number 0 in an empty message", "HealthListRequest", b"\x00\x01", "", REJECTED,
     "upb: minds it only in messages that have fields"),
    ("group's end in an empty message", "HealthListRequest", b"\x0c", "", REJECTED, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "data", "name", "expected", "differs"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_odd_bytes(message: str, data: bytes, name: str, expected: object, differs: str) -> None:
    mine, other = ours(message, data), theirs(message, data)
    if expected is REJECTED:
        assert mine == REJECTED
    else:
        assert isinstance(mine, dict)
        assert name is None or mine[name] == expected
    oracle = "upb" if UPB else "python"
    # A difference named here must be real: when the oracle changes, the row must go.
    assert (mine != other) == differs.startswith((oracle, "both"))


# Fuzz.

FUZZ = settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def agree(name: str, data: bytes) -> None:
    mine, other = ours(name, data), theirs(name, data)
    assert mine == other or differs_knowingly(name, data, mine, other)


@pytest.mark.parametrize("name", NAMES)
def test_random_bytes(name: str) -> None:
    @FUZZ
    @given(st.binary(max_size=40))
    def check(data: bytes) -> None:
        agree(name, data)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_mutated_messages(name: str) -> None:
    @FUZZ
    @given(contents(PAIRS[name][1].DESCRIPTOR), st.data())
    def check(content: dict[str, object], data: st.DataObject) -> None:
        encoded = bytearray(build(name, content, ours=True).encode())
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(encoded)))
            kind = data.draw(st.sampled_from(("byte", "insert", "delete", "repeat")))
            if kind == "byte" and at < len(encoded):
                encoded[at] = data.draw(st.integers(0, 255))
            elif kind == "insert":
                encoded[at:at] = data.draw(st.binary(min_size=1, max_size=6))
            elif kind == "delete":
                del encoded[at : at + data.draw(st.integers(1, 8))]
            else:
                encoded += encoded[at : at + 64]
        agree(name, bytes(encoded))

    check()


FULL = messages.ExecuteToolRequest(
    session_id="s",
    tool_name="tool",
    parameters={"a": messages.Any(type_url="t", value=b"1"), "b": messages.Any(value=b"[2]")},
    metadata={"k": "v", "long": "é" * 100},
    stream=True,
    binary_parameters={"raw": bytes(200)},
)


def test_every_truncation() -> None:
    data = FULL.encode()
    for end in range(len(data)):
        agree("ExecuteToolRequest", data[:end])


def test_every_single_byte_change() -> None:
    data = bytearray(FULL.encode()[:120])
    for at in range(len(data)):
        kept = data[at]
        for value in {0, 1, 0x0A, 0x0C, 0x7F, 0x80, 0xFF, kept ^ 1, kept + 1 & 0xFF}:
            data[at] = value
            agree("ExecuteToolRequest", bytes(data))
        data[at] = kept


# What hostile bytes may cost.


def test_a_length_allocates_nothing() -> None:
    data = b"\x0a" + varint((1 << 31) - 1) + b"abc"
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="2147483647 bytes where 3 are left"):
            messages.PingRequest.decode(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_depth_costs_no_stack() -> None:
    with pytest.raises(DecodeError, match=f"deeper than {MAX_GROUP_DEPTH}"):
        messages.PingRequest.decode(GROUP_15 * 1_000_000)


def test_many_unknown_fields_are_skipped_in_one_pass() -> None:
    data = b"\x78\x01" * 200_000 + b"\x0a\x01a"
    assert messages.PingRequest.decode(data).message == "a"


@pytest.mark.parametrize(
    ("message", "data", "where"),
    [
        (messages.PingRequest, b"\x0a\x03a\xffb", ("PingRequest", "message", 3)),
        (messages.PingRequest, b"\x0a\x05abc", ("PingRequest", "message", 2)),
        (messages.PingRequest, b"\x00", ("PingRequest", "", 0)),
        (messages.PingResponse, b"\x12\x02\x08\x80", ("Timestamp", "seconds", 4)),
        (messages.ToolChunk, b"\x22\x03\x0a\x01\xff", ("ToolChunk", "metadata", 4)),
        (messages.ExecuteToolRequest, b"\x1a\x05\x12\x03\x0a\x01\xff", ("Any", "type_url", 6)),
    ],
)
def test_an_error_says_where(
    message: type[messages.PingRequest], data: bytes, where: tuple[str, str, int]
) -> None:
    with pytest.raises(DecodeError) as caught:
        message.decode(data)
    error = caught.value
    assert (error.message, error.field, error.offset) == where
    assert isinstance(error, ValueError)
    assert f"at byte {where[2]}" in str(error)
