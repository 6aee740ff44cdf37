"""The send half: from headers and data to frames, as far as the peer's windows and limits allow.

Everything here runs under the owner's write lock, on whatever thread holds it. What a window
does not let through waits on its stream, in order, and leaves as soon as ``apply`` brings an
event that opens the window. This module must never import the read half, a socket, a thread or a
clock.
"""

from collections import OrderedDict, deque
from struct import Struct
from typing import Final

from ftbridge.http2.errors import StreamStateError
from ftbridge.http2.limits import DEFAULT_WINDOW, MIN_MAX_FRAME_SIZE
from ftbridge.http2.output import Output
from ftbridge.http2.shared import Shared
from ftbridge.http2.stream import Stream

__all__ = ["LARGEST_DATA_FRAME", "Sender"]

LARGEST_DATA_FRAME: Final = 64 * 1024
"""Octets; a peer may allow frames of 16 MiB, but one stream's frame delays all the others."""


class Sender(Output):
    """Sends messages on one connection; the owner's write lock around every call."""

    __slots__ = (
        "_blocked",
        "_head",
        "_head_word",
        "_initial_window",
        "_max_data",
        "_pack_head",
        "_pack_trailers",
        "_ready",
        "_room",
        "_send_credit",
        "_streams",
        "_trailers",
        "_trailers_word",
    )

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._streams = shared.streams
        # The peer's side, before its SETTINGS (6.5.2).
        self._initial_window = DEFAULT_WINDOW
        self._max_data = MIN_MAX_FRAME_SIZE
        self._send_credit = DEFAULT_WINDOW
        # Streams with a queue, by id; and those of them that only the connection's window holds
        # up, in the order they get their turn. One whose own window is shut is not asked again
        # and again, or tiny WINDOW_UPDATEs would each cost a walk over all streams.
        self._blocked: dict[int, Stream] = {}
        self._shape_response(b"", b"")
        self._ready: OrderedDict[int, Stream] = OrderedDict()

    # --- messages --------------------------------------------------------------------------

    def send_headers(self, stream: Stream, block: bytes, *, end_stream: bool = False) -> None:
        """Send a header block: request or response head, or an interim response.

        ``block`` must be stateless, as ``encode_headers`` makes it. On a stream that was reset,
        nothing is sent.

        Raises:
            StreamStateError: the send side has ended, or data waits before this block.
        """
        if stream.reset:
            return
        if stream.send_closed or stream.queue:
            raise StreamStateError(f"HEADERS on {stream!r}; trailers go through send_trailers")
        stream.announced = True
        self._emit_block(stream.id, block, end_stream)
        if end_stream:
            self._close_send(stream)

    def send_data(self, stream: Stream, data: bytes, *, end_stream: bool = False) -> None:
        """Send ``data`` as far as both windows allow; the rest is queued (``stream.queued``).

        On a stream that was reset, nothing is sent.

        Raises:
            StreamStateError: the send side has ended.
        """
        if stream.reset:
            return
        if stream.send_closed or not stream.announced:
            raise StreamStateError(f"DATA on {stream!r} before its HEADERS or after its end")
        size = len(data)
        if stream.queue:
            if size:
                stream.queue.append(data)
                stream.queued += size
            if end_stream:
                stream.finale = b""
                stream.send_closed = True
            return
        window = self._initial_window + stream.send_credit - stream.sent
        room = self._send_credit - self._shared.sent
        if size <= self._max_data and size <= window and size <= room:
            if size or end_stream:
                self._emit_data(stream, data, end_stream)
            if end_stream:
                self._close_send(stream)
            return
        if stream.queue is None:
            stream.queue = deque()
            stream.offset = 0
            stream.finale = None
        stream.queue.append(data)
        stream.queued = size
        if end_stream:
            stream.finale = b""
            stream.send_closed = True
        self._blocked[stream.id] = stream
        self._drain(stream)

    def send_trailers(self, stream: Stream, block: bytes) -> None:
        """Send ``block`` as the end of the stream, behind whatever data is still queued.

        On a stream that was reset, nothing is sent.

        Raises:
            StreamStateError: the send side has ended.
        """
        if stream.reset:
            return
        if stream.send_closed or not stream.announced:
            raise StreamStateError(f"trailers on {stream!r} before its HEADERS or after its end")
        if stream.queue:
            stream.finale = block
            stream.send_closed = True
            return
        self._emit_block(stream.id, block, True)
        self._close_send(stream)

    def send_response(self, stream: Stream, head: bytes, data: bytes, trailers: bytes) -> None:
        """A whole response: ``send_headers``, ``send_data`` and ``send_trailers`` in one step.

        Raises:
            StreamStateError: the send side has ended.
        """
        if head is not self._head or trailers is not self._trailers:
            self._shape_response(head, trailers)
        size = len(data)
        shared = self._shared
        sent = shared.sent + size
        stream_sent = stream.sent + size
        if (
            size > self._room
            or sent > self._send_credit
            or stream_sent > self._initial_window + stream.send_credit
            or not self._table_said
            or stream.send_closed
            or stream.reset
            or stream.queue
        ):
            self.send_headers(stream, head)
            self.send_data(stream, data)
            self.send_trailers(stream, trailers)
            return
        sid = stream.id
        # 0x4 END_HEADERS, 0x5 with END_STREAM; the type is the low octet of the first word.
        octets = (
            self._pack_head(self._head_word, 0x4, sid, head, size << 8, 0, sid)
            + data
            + self._pack_trailers(self._trailers_word, 0x5, sid, trailers)
        )
        shared.sent = sent
        stream.sent = stream_sent
        self._data_frames += 1
        self._out.append(octets)
        self.outgoing_size += len(octets)
        stream.send_closed = True
        sides = stream.sides
        sides.pop()
        if not sides:
            self._streams.pop(sid, None)

    def _shape_response(self, head: bytes, trailers: bytes) -> None:
        """Make ready for responses that differ in their data only, as almost all do."""
        self._head = head
        self._trailers = trailers
        self._head_word = len(head) << 8 | 1
        self._trailers_word = len(trailers) << 8 | 1
        self._pack_head = Struct(f">IBI{len(head)}sIBI").pack
        self._pack_trailers = Struct(f">IBI{len(trailers)}s").pack
        # Blocks that need CONTINUATION frames go the long way: so does all data beside them.
        fits = max(len(head), len(trailers)) <= self._max_data
        self._room = self._max_data if fits else -1

    def _close_send(self, stream: Stream) -> None:
        """Our side is done; with the peer's done too, the stream is closed."""
        stream.send_closed = True
        stream.sides.pop()
        if not stream.sides:
            self._streams.pop(stream.id, None)

    # --- waiting for windows ---------------------------------------------------------------

    def _send_piece(self, stream: Stream) -> bool:
        """Send one DATA frame from the queue; False if a window is shut.

        After the last one the finale follows and the stream is no longer blocked.
        """
        queue = stream.queue
        if stream.reset or not queue:
            self._forget_queue(stream)
            return True
        data = queue[0]
        offset = stream.offset
        left = len(data) - offset
        size = min(
            left,
            self._max_data,
            self._initial_window + stream.send_credit - stream.sent,
            self._send_credit - self._shared.sent,
        )
        if size <= 0:
            return False
        if size == left:
            queue.popleft()
            stream.offset = 0
        else:
            stream.offset = offset + size
        stream.queued -= size
        ended = not queue and stream.finale == b""
        self._emit_data(stream, data if size == len(data) else data[offset : offset + size], ended)
        if not queue:
            del self._blocked[stream.id]
            self._ready.pop(stream.id, None)
            if stream.finale is not None:
                if stream.finale:
                    self._emit_block(stream.id, stream.finale, True)
                self._close_send(stream)
        return True

    def _drain(self, stream: Stream) -> bool:
        """Send what the windows allow of one blocked stream; True if its queue ran empty."""
        sid = stream.id
        while sid in self._blocked:
            if not self._send_piece(stream):
                if self._initial_window + stream.send_credit > stream.sent:
                    self._ready[sid] = stream
                return False
        return True

    def _drain_ready(self) -> list[Stream]:
        """Share what the connection's window allows among the streams, one frame each in turn.

        Returns those whose queue ran empty. Whoever got a turn goes to the end of the line, so
        that a window that opens a little at a time serves all of them alike.
        """
        drained: list[Stream] = []
        ready = self._ready
        while ready and self._send_credit > self._shared.sent:
            sid, stream = ready.popitem(last=False)
            if not self._send_piece(stream):
                continue  # its own window is shut now
            if sid in self._blocked:
                ready[sid] = stream
            else:
                drained.append(stream)
        return drained

    def _forget_queue(self, stream: Stream) -> None:
        """The stream is reset: nothing of it may be sent any more."""
        self._blocked.pop(stream.id, None)
        self._ready.pop(stream.id, None)
        stream.queue = None
        stream.finale = None
        stream.queued = 0
