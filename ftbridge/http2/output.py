"""The octets that wait to be written, and the frames that messages are cut into.

The bottom of the send half: it knows the peer's frame size, and counts what it emits, but asks no
window. This module must never import the read half, a socket, a thread or a clock.
"""

from typing import Final

from ftbridge.http2 import frames
from ftbridge.http2.limits import MIN_MAX_FRAME_SIZE
from ftbridge.http2.shared import Shared
from ftbridge.http2.stream import Stream

__all__ = ["Output"]

_pack_header: Final = frames.FRAME_HEADER.pack

_COPY_LIMIT: Final = 4096
"""Octets of payload up to which joining it to its frame header is cheaper than another list item
(and another iovec for the owner's socket)."""

_EMPTY_TABLE: Final = b"\x20"
"""Dynamic table size update to 0 (RFC 7541 section 6.3). Our blocks never use the table; said once
at the start, no later SETTINGS_HEADER_TABLE_SIZE of the peer can ask us for an update (4.2)."""


class Output:
    """Emits frames; one thread at a time, the owner's write lock around every call.

    Attributes:
        outgoing_size: octets that ``take_outgoing`` would return.
    """

    __slots__ = (
        "_control_waiting",
        "_data_frames",
        "_max_frame_size",
        "_out",
        "_shared",
        "_table_said",
        "outgoing_size",
    )

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._out: list[bytes] = []
        self.outgoing_size = 0
        # Acknowledgements and resets in _out.
        self._control_waiting = 0
        # DATA frames sent in all.
        self._data_frames = 0
        self._max_frame_size = MIN_MAX_FRAME_SIZE
        self._table_said = False

    def take_outgoing(self) -> list[bytes]:
        """The octets to write, in order; the connection forgets them."""
        out = self._out
        self._out = []
        self.outgoing_size = 0
        self._control_waiting = 0
        return out

    def _emit(self, octets: bytes) -> None:
        self._out.append(octets)
        self.outgoing_size += len(octets)

    def _emit_block(self, sid: int, block: bytes, end_stream: bool) -> None:
        """HEADERS and as many CONTINUATION as the peer's frame size asks for (4.3, 6.10)."""
        if not self._table_said:
            self._table_said = True
            block = _EMPTY_TABLE + block
        flags = frames.END_STREAM if end_stream else 0
        limit = self._max_frame_size
        if len(block) <= limit:
            self._emit(frames.frame(frames.HEADERS, flags | frames.END_HEADERS, sid, block))
            return
        self._emit(frames.frame(frames.HEADERS, flags, sid, block[:limit]))
        for start in range(limit, len(block), limit):
            last = start + limit >= len(block)
            piece = block[start : start + limit]
            self._emit(
                frames.frame(frames.CONTINUATION, frames.END_HEADERS if last else 0, sid, piece)
            )

    def _emit_data(self, stream: Stream, data: bytes, end_stream: bool) -> None:
        """One DATA frame that the windows are known to allow."""
        size = len(data)
        stream.sent += size
        self._shared.sent += size
        self._data_frames += 1
        header = _pack_header(size << 8, 1 if end_stream else 0, stream.id)
        if size <= _COPY_LIMIT:
            self._out.append(header + data)
        else:
            self._out += (header, data)
        self.outgoing_size += size + frames.FRAME_HEADER_SIZE
