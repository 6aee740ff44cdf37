"""The shared parts of the codec, where the generated messages do not reach them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftbridge.wire import codec
from ftbridge.wire.codec import Malformed

DETERMINISTIC = settings(derandomize=True, deadline=None, max_examples=200)


@DETERMINISTIC
@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_varints_come_back(value: int, rest: bytes) -> None:
    encoded = codec.varint(value)
    assert len(encoded) == max(1, -(-value.bit_length() // 7))
    assert codec.read_varint(b"x" + encoded + rest, 1, 1 + len(encoded) + len(rest)) == (
        value,
        1 + len(encoded),
    )


@DETERMINISTIC
@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_varints_come_back(value: int) -> None:
    encoded = codec.int64_field(0x08, value)[1:]
    assert codec.read_int64(encoded, 0, len(encoded)) == (value, len(encoded))
    assert len(encoded) == 10 or value >= 0


@DETERMINISTIC
@given(st.binary(min_size=1, max_size=12), st.integers(0, 12))
def test_reading_never_passes_the_end(data: bytes, end: int) -> None:
    end = min(end, len(data))
    for read in (codec.read_varint, codec.read_int32, codec.read_int64, codec.read_length):
        try:
            assert read(data, 0, end)[1] <= end
        except Malformed:
            pass


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_int64_has_a_range(value: int) -> None:
    with pytest.raises(OverflowError):
        codec.int64_field(0x08, value)


def test_short_fields_are_tag_and_number() -> None:
    table = codec.short_fields(0x12)
    assert len(table) == 128
    assert table[5] == b"\x12\x05" == codec.field_head(0x12, 5)


def test_skipping_stops_at_the_first_known_tag() -> None:
    data = b"\x78\x01\x8a\x00\x01a"  # unknown, then tag 10 in two bytes
    assert codec.skip_unknown(data, 0, len(data), frozenset({10})) == (10, 3)
    assert codec.skip_unknown(data, 0, 2, frozenset({10})) == (0, 2)


def test_as_bytes_takes_buffers_only() -> None:
    assert codec.as_bytes(bytearray(b"a")) == b"a"
    with pytest.raises(TypeError):
        codec.as_bytes(5)  # bytes(5) would be five zeros
