"""Frame builders against octets written out by hand (RFC 9113 section 4.1)."""

from ftbridge.http2 import frames


def test_frame_header() -> None:
    octets = frames.frame(frames.PING, frames.ACK, 0, b"12345678")
    assert octets == b"\x00\x00\x08\x06\x01\x00\x00\x00\x0012345678"
    word, flags, stream_id = frames.FRAME_HEADER.unpack_from(octets)
    assert (word >> 8, word & 0xFF, flags, stream_id) == (8, 6, 1, 0)


def test_large_length() -> None:
    assert frames.frame(0, 0, 1, bytes(0x010203))[:4] == b"\x01\x02\x03\x00"


def test_builders() -> None:
    assert frames.settings_frame({4: 1, 3: 2}) == bytes.fromhex(
        "00000c 04 00 00000000 0004 00000001 0003 00000002"
    )
    assert bytes.fromhex("000000 04 01 00000000") == frames.SETTINGS_ACK
    assert frames.window_update_frame(5, 258) == bytes.fromhex("000004 08 00 00000005 00000102")
    assert frames.rst_stream_frame(5, 8) == bytes.fromhex("000004 03 00 00000005 00000008")
    assert frames.goaway_frame(7, 1, b"x") == bytes.fromhex(
        "000009 07 00 00000000 00000007 00000001 78"
    )
