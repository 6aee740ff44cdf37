"""The read half's rules for field sections: which header block may come on which stream.

Apart from ``reader`` so that its loop over the octets stays readable. This module must never
import the send half.
"""

from collections import deque
from typing import Final

from ftbridge.http2.blocks import Malformed
from ftbridge.http2.control import ControlReader, broken
from ftbridge.http2.errors import ErrorCode
from ftbridge.http2.events import Event, HeadersReceived, TrailersReceived
from ftbridge.http2.headers import HeaderBlock
from ftbridge.http2.shared import Shared
from ftbridge.http2.stream import Stream
from ftlocks.tables import find

__all__ = ["SectionReader"]

_new: Final = tuple.__new__
"""Makes an event without the Python-level ``__new__`` of a NamedTuple: half the cost."""

_SKIPPED_RANGES: Final = 64
"""Ranges of stream ids the peer skipped that are remembered (5.1.1). Clients skip none."""

_BODILESS: Final = frozenset((b"204", b"304"))
"""Responses whose content-length describes no content (RFC 9110 section 8.6)."""


class SectionReader(ControlReader):
    """Turns complete header blocks into events."""

    __slots__ = ("_cache", "_client", "_skipped")

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._client = shared.client
        self._cache = self._blocks.cache
        self._skipped: deque[tuple[int, int]] = deque(maxlen=_SKIPPED_RANGES)

    def _header_block(
        self, sid: int, ended: int, octets: bytes, self_dependent: bool, events: list[Event]
    ) -> None:
        """A complete header block. Always decoded: the table depends on it (4.3)."""
        block: HeaderBlock | Malformed
        try:
            block = self._cache[octets]  # not `get`: see ftlocks.tables
        except KeyError:
            block = self._blocks.decode(octets)
        shared = self._shared
        highest = shared.highest
        if sid <= highest or self._client:
            self._later_block(sid, bool(ended), block, self_dependent, events)
            return

        # A request on a new stream (server).
        if sid != highest + 2 and (highest or sid != 1):
            self._skipped.append((highest + 1, sid))
        # First announced, then compared: ``goaway`` does it the other way round, so that a stream
        # it does not count is refused here.
        shared.highest = sid
        streams = self._streams
        if type(block) is not HeaderBlock:
            self._fault(sid, None, block.code, block.reason, events)
        elif not block.pseudo:
            reason = "a request without pseudo-header fields (8.3.1)"
            self._fault(sid, None, ErrorCode.PROTOCOL_ERROR, reason, events)
        elif ended and block.content_length:
            reason = f"content-length {block.content_length} without DATA (8.1.1)"
            self._fault(sid, None, ErrorCode.PROTOCOL_ERROR, reason, events)
        elif self_dependent:
            reason = "HEADERS depends on itself (RFC 7540 5.3.1)"
            self._fault(sid, None, ErrorCode.PROTOCOL_ERROR, reason, events)
        elif sid > shared.goaway_last:
            self._fault(sid, None, ErrorCode.REFUSED_STREAM, "opened after GOAWAY (6.8)", events)
        elif len(streams) >= shared.limits.max_concurrent_streams:
            reason = f"{len(streams)} streams are open already (5.1.2)"
            self._fault(sid, None, ErrorCode.REFUSED_STREAM, reason, events)
        else:
            stream = Stream(sid, True, block.content_length)
            if ended:
                stream.recv_closed = True
                stream.sides.pop()
            streams[sid] = stream
            events.append(_new(HeadersReceived, (stream, block, bool(ended))))

    def _later_block(
        self,
        sid: int,
        ended: bool,
        block: HeaderBlock | Malformed,
        self_dependent: bool,
        events: list[Event],
    ) -> None:
        """A header block on a stream that is not new: response head, trailers, or an error."""
        stream = find(self._streams, sid)
        code = ErrorCode.PROTOCOL_ERROR
        if stream is None:
            self._stray_block(sid, events)
            return
        if stream.recv_closed:
            code, reason = ErrorCode.STREAM_CLOSED, "HEADERS after END_STREAM (5.1)"
        elif type(block) is not HeaderBlock:
            code, reason = block.code, block.reason
        elif self_dependent:
            reason = "HEADERS depends on itself (RFC 7540 5.3.1)"
        elif not stream.head_seen:
            self._response_head(stream, ended, block, events)
            return
        elif block.pseudo:
            reason = "pseudo-header fields in trailers (8.1, 8.3)"
        elif not ended:
            reason = "trailers without END_STREAM (8.1)"
        elif stream.remaining:
            reason = f"content-length and DATA differ by {stream.remaining} (8.1.1)"
        else:
            self._end(stream)
            events.append(TrailersReceived(stream, block))
            return
        self._fault(sid, stream, code, reason, events)

    def _response_head(
        self, stream: Stream, ended: bool, block: HeaderBlock, events: list[Event]
    ) -> None:
        """The first final response, or an interim one before it (client; 8.1)."""
        status = block.pseudo.get(b":status")
        reason = None
        if status is None:
            reason = "a response without :status (8.3.2)"
        elif status[:1] == b"1":
            if ended:
                reason = f"interim response {status!r} with END_STREAM (8.1)"
        else:
            stream.head_seen = True
            if status not in _BODILESS:
                stream.remaining = block.content_length
                if ended and block.content_length:
                    # The owner never sends HEAD, the other case without content.
                    reason = f"content-length {block.content_length} without DATA (8.1.1)"
        if reason is not None:
            self._fault(stream.id, stream, ErrorCode.PROTOCOL_ERROR, reason, events)
            return
        if ended:
            self._end(stream)
        events.append(HeadersReceived(stream, block, ended))

    def _stray_block(self, sid: int, events: list[Event]) -> None:
        """HEADERS on a stream that is idle or closed (5.1, 5.1.1)."""
        if self._is_idle(sid):  # only a client comes here: no request of ours
            raise broken(f"HEADERS on idle stream {sid} (5.1)")
        if self._is_ignored(sid):
            return
        if sid in self._peer_reset.ids:
            reason = "HEADERS after RST_STREAM (5.1)"
            self._fault(sid, None, ErrorCode.STREAM_CLOSED, reason, events)
            return
        if any(low <= sid < high for low, high in self._skipped):
            raise broken(f"stream {sid} opened after a higher one, {self._shared.highest} (5.1.1)")
        raise broken(f"HEADERS on closed stream {sid} (5.1)", ErrorCode.STREAM_CLOSED)

    def _end(self, stream: Stream) -> None:
        """The peer's side is done; with ours done too, the stream is closed."""
        stream.recv_closed = True
        stream.sides.pop()
        if not stream.sides:
            self._streams.pop(stream.id, None)
