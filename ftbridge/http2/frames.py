"""Frame types, flags and settings by number, and the layout of a frame header (RFC 9113 section 4).

Plain integers instead of enums: an enum member costs an attribute look-up on its class wherever
the halves compare one. This module must never import anything of ftbridge.
"""

from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (RFC 9113 section 3.4)."""

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY_FLAG: Final = 0x20

HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6

FRAME_HEADER_SIZE: Final = 9
"""Octets: length (24 bits), type, flags, reserved bit and stream identifier (4.1)."""

FRAME_HEADER: Final = Struct(">LBL")
"""The same with length and type read as one word, ``length << 8 | type``: struct has no 24-bit
integer, and one word unpacks faster than three parts."""

STREAM_ID_MASK: Final = 0x7FFF_FFFF
"""Drops the reserved bit, which must be ignored (4.1)."""

SETTING: Final = Struct(">HL")
UINT32: Final = Struct(">L")
TWO_UINT32: Final = Struct(">LL")

SETTINGS_ACK: Final = FRAME_HEADER.pack(SETTINGS, ACK, 0)


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One whole frame."""
    return FRAME_HEADER.pack(len(payload) << 8 | kind, flags, stream_id) + payload


def settings_frame(values: dict[int, int]) -> bytes:
    """A SETTINGS frame (6.5), identifiers in the order given."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*item) for item in values.items()))


def window_update_frame(stream_id: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame (6.9); stream 0 is the connection."""
    return FRAME_HEADER.pack(4 << 8 | WINDOW_UPDATE, 0, stream_id) + UINT32.pack(increment)


def rst_stream_frame(stream_id: int, code: int) -> bytes:
    """A RST_STREAM frame (6.4)."""
    return FRAME_HEADER.pack(4 << 8 | RST_STREAM, 0, stream_id) + UINT32.pack(code)


def goaway_frame(last_stream_id: int, code: int, debug: bytes) -> bytes:
    """A GOAWAY frame (6.8)."""
    return frame(GOAWAY, 0, 0, TWO_UINT32.pack(last_stream_id, code) + debug)
