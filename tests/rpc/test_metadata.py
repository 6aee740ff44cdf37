import math

import pytest

from ftbridge.rpc.metadata import decode_metadata, decode_timeout, encode_metadata, encode_timeout


def test_round_trip_with_binary_values() -> None:
    metadata = (("x-plain", "value"), ("x-data-bin", b"\x00\xff\x10"), ("x-plain", "again"))
    assert decode_metadata(encode_metadata(metadata)) == metadata


def test_reserved_headers_are_not_shown() -> None:
    fields = [(b"te", b"trailers"), (b"grpc-timeout", b"1S"), (b"user-agent", b"me")]
    assert decode_metadata(fields) == (("user-agent", "me"),)


def test_joined_and_unpadded_binary_values() -> None:
    assert decode_metadata([(b"k-bin", b"AAE, Ag==")]) == (("k-bin", b"\0\1"), ("k-bin", b"\2"))


def test_invalid_base64_names_the_key() -> None:
    with pytest.raises(ValueError, match="'k-bin'"):
        decode_metadata([(b"k-bin", b"***")])


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("bad key", "v", "only letters"),
        ("", "v", "only letters"),
        ("grpc-status", "0", "reserved"),
        ("grpc-anything", "0", "reserved"),
        ("content-type", "x", "reserved"),
        ("k", b"bytes", "-bin"),
        ("k", "new\nline", "printable ASCII"),
        ("k", "é", "printable ASCII"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_way_out(
    key: str, value: str | bytes, hint: str
) -> None:
    with pytest.raises(ValueError, match=hint):
        encode_metadata(((key, value),))


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"5S", 5), (b"250m", 0.25), (b"10u", 1e-5), (b"7n", 7e-9)],
)
def test_timeout_units(raw: bytes, seconds: float) -> None:
    assert decode_timeout(raw) == pytest.approx(seconds)


@pytest.mark.parametrize("raw", [b"", b"S", b"1", b"1s", b"-1S", b"123456789S", b"1.5S", b" 1S"])
def test_malformed_timeouts(raw: bytes) -> None:
    with pytest.raises(ValueError, match="grpc-timeout"):
        decode_timeout(raw)


@pytest.mark.parametrize("seconds", [0.0, 1e-7, 0.0123456, 1.0, 99.9999995, 3e5, 1e9, 1e15])
def test_encoded_timeouts_never_shrink_and_fit(seconds: float) -> None:
    raw = encode_timeout(seconds)
    assert len(raw) <= 9
    decoded = decode_timeout(raw)
    limit = 99_999_999 * 3600
    assert decoded >= min(seconds, limit) or math.isclose(decoded, min(seconds, limit))
    assert decoded <= seconds * 1.01 + 1e-6 or decoded <= limit
