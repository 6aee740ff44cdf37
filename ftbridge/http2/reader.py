"""The read half: octets in, events out.

One pass over the buffer, straight-line, with local variables: on 3.13t every attribute and every
call on this way is paid for each request. The rules of DATA are here, those of header blocks in
``sections``, all others in ``control``. It reads what the send half has counted (``shared`` says
why that is safe) and never changes it. This module must never import the send half, a socket, a
thread or a clock.
"""

from typing import Final

from ftbridge.http2 import frames
from ftbridge.http2.control import broken
from ftbridge.http2.errors import ErrorCode, ProtocolError
from ftbridge.http2.events import (
    DataDiscarded,
    DataReceived,
    Event,
    RequestReceived,
)
from ftbridge.http2.limits import HEADER_BLOCK_FACTOR
from ftbridge.http2.sections import SectionReader
from ftbridge.http2.shared import Shared
from ftbridge.http2.stream import Stream

__all__ = ["Reader"]

_unpack_header: Final = frames.FRAME_HEADER.unpack_from
_new: Final = tuple.__new__
"""Makes an event without the Python-level ``__new__`` of a NamedTuple: half the cost."""


class Reader(SectionReader):
    """Reads one connection; exactly one thread at a time."""

    __slots__ = (
        "_block_ended",
        "_block_frames",
        "_block_parts",
        "_block_self_dependent",
        "_block_size",
        "_block_stream",
        "_buffer",
        "_empty_frames",
        "_failure",
        "_max_block_size",
        "_max_frame_size",
        "_need",
        "_preface",
        "_received",
        "_restricted",
        "_whole_requests",
    )

    def __init__(self, shared: Shared, *, whole_requests: bool = False) -> None:
        super().__init__(shared)
        limits = shared.limits
        self._max_frame_size = limits.max_frame_size
        self._max_block_size = limits.max_header_list_size * HEADER_BLOCK_FACTOR
        self._whole_requests = whole_requests
        self._buffer = bytearray()
        self._need = 0
        self._failure: ProtocolError | None = None
        self._preface = b"" if shared.client else frames.PREFACE
        self._received = 0
        self._empty_frames = 0
        # True while only one kind of frame may come: SETTINGS first, then CONTINUATION.
        self._restricted = True
        self._block_stream = 0
        self._block_parts: list[bytes] = []
        self._block_size = 0
        self._block_frames = 0
        self._block_ended = False
        self._block_self_dependent = False

    def receive(self, data: bytes, now: float) -> list[Event]:
        """See ``Connection.receive``."""
        if self._failure is not None:
            raise self._failure
        events: list[Event] = []
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(buffer) < self._need:
                return events
            data = bytes(buffer)
            buffer.clear()
        self._now = now
        try:
            if self._preface:
                data = self._read_preface(data)
            pos = self._read_frames(data, events)
        except ProtocolError as error:
            error.events = events
            self._failure = error
            raise
        if pos < len(data):
            buffer += data[pos:] if pos else data
        return events

    def _read_preface(self, data: bytes) -> bytes:
        """Strip what belongs to the client's preface (3.4); wrong octets are told at once."""
        preface = self._preface
        size = len(preface)
        if data[:size] != preface[: len(data)]:
            hint = "; an HTTP/1.x request?" if data[:1].isalpha() else ""
            raise broken(
                f"the connection preface has {data[:24]!r} instead of {preface!r}{hint} (3.4)"
            )
        self._preface = preface[len(data) :]
        return data[size:]

    def _read_frames(self, data: bytes, events: list[Event]) -> int:
        """Handle all complete frames; where the incomplete rest begins."""
        append = events.append
        streams = self._streams
        shared = self._shared
        max_frame_size = self._max_frame_size
        whole_requests = self._whole_requests
        pos = 0
        end = len(data)
        while True:
            start = pos + 9
            if start > end:
                self._need = 9
                return pos
            word, flags, sid = _unpack_header(data, pos)
            length = word >> 8
            if length > max_frame_size:
                raise broken(
                    f"a frame of {length} octets; {max_frame_size} are allowed (4.2)",
                    ErrorCode.FRAME_SIZE_ERROR,
                )
            stop = start + length
            if stop > end:
                self._need = 9 + length
                return pos
            pos = stop
            kind = word & 0xFF
            sid &= 0x7FFF_FFFF
            if self._restricted and self._restricted_frame(
                kind, flags, sid, data[start:stop], events
            ):
                continue

            if kind == 0:  # DATA (6.1)
                if flags & 0x8:  # PADDED
                    start, stop = self._strip_padding(data, start, stop)
                received = self._received + length
                self._received = received
                if received > shared.granted:
                    over = received - shared.granted
                    raise broken(
                        f"DATA passes the connection's window by {over} (6.9.1)",
                        ErrorCode.FLOW_CONTROL_ERROR,
                    )
                try:
                    stream = streams[sid]  # not `get`: see ftlocks.tables
                except KeyError:
                    stream = None
                if stream is None or stream.recv_closed or not stream.head_seen:
                    self._stray_data(sid, stream, length, events)
                    continue
                ended = flags & 0x1
                if start == stop and not ended:
                    self._count_empty()
                    if not length:
                        continue
                else:
                    self._empty_frames = 0
                received = stream.received + length
                stream.received = received
                if received > self._stream_window + stream.granted and length:
                    over = received - self._stream_window - stream.granted
                    reason = f"DATA passes the stream's window by {over} (6.9.1)"
                    self._fault(sid, stream, ErrorCode.FLOW_CONTROL_ERROR, reason, events)
                    append(DataDiscarded(length))
                    continue
                remaining = stream.remaining
                if remaining is not None:
                    remaining -= stop - start
                    stream.remaining = remaining
                    if remaining < 0 or (ended and remaining):
                        reason = f"content-length and DATA differ by {remaining} (8.1.1)"
                        self._fault(sid, stream, ErrorCode.PROTOCOL_ERROR, reason, events)
                        append(DataDiscarded(length))
                        continue
                if ended:
                    stream.recv_closed = True
                    sides = stream.sides
                    sides.pop()
                    if not sides:
                        streams.pop(sid, None)
                    append(_new(DataReceived, (stream, data[start:stop], length, True)))
                else:
                    append(_new(DataReceived, (stream, data[start:stop], length, False)))

            elif kind == 1:  # HEADERS (6.2)
                if not sid & 1:
                    raise broken(f"HEADERS on stream {sid}; requests have odd ids (5.1.1, 6.2)")
                self_dependent = False
                if flags & 0x28:  # PADDED, PRIORITY
                    if flags & 0x8:
                        start, stop = self._strip_padding(data, start, stop)
                    if flags & 0x20:
                        if stop - start < 5:
                            raise broken(
                                "HEADERS too short for its priority (6.2)",
                                ErrorCode.FRAME_SIZE_ERROR,
                            )
                        parent = frames.UINT32.unpack_from(data, start)[0]
                        self_dependent = parent & 0x7FFF_FFFF == sid
                        start += 5
                if flags == 0x4 and whole_requests and stop + 9 <= end:
                    word, flags, follower = _unpack_header(data, stop)
                    length = word >> 8
                    start_data = stop + 9
                    stop_data = start_data + length
                    # DATA, END_STREAM and no padding, of the same stream, and all of it there.
                    if (
                        not word & 0xFF
                        and flags == 0x1
                        and follower == sid
                        and stop_data <= end
                        and length <= max_frame_size
                        and self._whole_request(
                            sid, data[start:stop], data[start_data:stop_data], events
                        )
                    ):
                        pos = stop_data
                        continue
                    flags = 0x4
                if flags & 0x4:  # END_HEADERS
                    self._header_block(sid, flags & 1, data[start:stop], self_dependent, events)
                else:
                    self._restricted = True
                    self._block_stream = sid
                    self._block_parts = [data[start:stop]]
                    self._block_size = stop - start
                    self._block_frames = 0
                    self._block_ended = bool(flags & 1)
                    self._block_self_dependent = self_dependent

            else:
                self._control_frame(kind, flags, sid, data[start:stop], events)

    def _whole_request(self, sid: int, octets: bytes, data: bytes, events: list[Event]) -> bool:
        """A request that breaks no rule, read in one go; False, nothing done, for any other.

        The same checks as for the two frames one by one, and no words for what fails: that is
        left to the general way.
        """
        shared = self._shared
        size = len(data)
        received = self._received + size
        if sid != shared.highest + 2 or octets not in self._cache or received > shared.granted:
            return False
        block = self._cache[octets]
        streams = self._streams
        if (
            not block.pseudo
            or block.content_length is not None
            or sid > shared.goaway_last
            or size > self._stream_window
            or len(streams) >= shared.limits.max_concurrent_streams
        ):
            return False
        self._received = received
        self._empty_frames = 0
        # First announced, then compared: see `_header_block`.
        shared.highest = sid
        if sid > shared.goaway_last:
            self._fault(sid, None, ErrorCode.REFUSED_STREAM, "opened after GOAWAY (6.8)", events)
            events.append(DataDiscarded(size))
            return True
        stream = Stream(sid, True)
        stream.received = size
        stream.recv_closed = True
        stream.sides.pop()
        streams[sid] = stream
        events.append(_new(RequestReceived, (stream, block, data, size)))
        return True

    # --- parts of frames -------------------------------------------------------------------

    def _strip_padding(self, data: bytes, start: int, stop: int) -> tuple[int, int]:
        """Where the content between Pad Length and the padding is (6.1, 6.2)."""
        if start == stop:
            raise broken("a PADDED frame without Pad Length (6.1)", ErrorCode.FRAME_SIZE_ERROR)
        padding = data[start]
        if padding >= stop - start:
            raise broken(f"{padding} octets of padding in a frame of {stop - start} (6.1)")
        return start + 1, stop - padding

    def _restricted_frame(
        self, kind: int, flags: int, sid: int, payload: bytes, events: list[Event]
    ) -> bool:
        """A frame where only one kind may come; False if it is handled like any other."""
        expected = self._block_stream
        if not expected:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise broken(f"the first frame has type {kind} and is not SETTINGS (3.4)")
            self._restricted = False
            return False
        if kind != frames.CONTINUATION or sid != expected:
            raise broken(
                f"frame type {kind} on stream {sid} inside the header block of stream {expected} "
                f"(4.3, 6.10)"
            )
        self._block_parts.append(payload)
        self._block_size += len(payload)
        self._block_frames += 1
        limits = self._shared.limits
        if self._block_frames > limits.max_header_block_frames:
            raise broken(
                f"a header block in more than {limits.max_header_block_frames} CONTINUATION frames",
                ErrorCode.ENHANCE_YOUR_CALM,
            )
        if self._block_size > self._max_block_size:
            raise broken(
                f"a header block of more than {self._max_block_size} octets",
                ErrorCode.ENHANCE_YOUR_CALM,
            )
        if flags & frames.END_HEADERS:
            self._restricted = False
            self._block_stream = 0
            octets = b"".join(self._block_parts)
            self._block_parts = []
            self._header_block(
                sid, int(self._block_ended), octets, self._block_self_dependent, events
            )
        return True

    def _count_empty(self) -> None:
        self._empty_frames += 1
        limit = self._shared.limits.max_empty_frames
        if self._empty_frames > limit:
            raise broken(
                f"more than {limit} empty DATA frames in a row", ErrorCode.ENHANCE_YOUR_CALM
            )

    def _stray_data(
        self, sid: int, stream: Stream | None, length: int, events: list[Event]
    ) -> None:
        """DATA where none belongs. It took part of the connection's window all the same."""
        if stream is None and self._is_idle(sid):
            raise broken(f"DATA on idle stream {sid} (5.1, 6.1)")
        if stream is not None and not stream.recv_closed:
            reason = "DATA before the response's HEADERS (8.1)"
            self._fault(sid, stream, ErrorCode.PROTOCOL_ERROR, reason, events)
        elif not self._is_ignored(sid):
            reason = "DATA after the stream was closed (5.1, 6.1)"
            self._fault(sid, stream, ErrorCode.STREAM_CLOSED, reason, events)
        if length:
            events.append(DataDiscarded(length))
        else:
            self._count_empty()
