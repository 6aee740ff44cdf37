"""One HTTP/2 connection, sans-IO: octets in and events out, calls in and octets out.

Two halves share it. ``receive`` belongs to the thread that reads the socket. Everything else is
the send half and belongs to whoever holds the owner's write lock. The halves meet only in
``Shared``, so a reader never waits for a writer.

The owner's loop::

    for event in connection.receive(data, now):
        match event:
            case HeadersReceived() | DataReceived() | TrailersReceived(): hand on to the call
            case _: with write_lock: drained = connection.apply(event)
    with write_lock: octets = connection.take_outgoing()

This module must never import a socket, a thread or a clock.
"""

from ftbridge.http2 import frames
from ftbridge.http2.errors import ErrorCode, ProtocolError, StreamRefused
from ftbridge.http2.events import (
    DataDiscarded,
    Event,
    PingReceived,
    SettingsReceived,
    StreamFault,
    StreamReset,
    WindowUpdated,
)
from ftbridge.http2.limits import (
    DEFAULT_HEADER_TABLE_SIZE,
    DEFAULT_WINDOW,
    MAX_WINDOW,
    MIN_MAX_FRAME_SIZE,
    WINDOW_UPDATES_PER_DATA,
    Limits,
)
from ftbridge.http2.reader import Reader
from ftbridge.http2.sender import LARGEST_DATA_FRAME, Sender
from ftbridge.http2.shared import Shared
from ftbridge.http2.stream import Stream
from ftlocks.tables import find

__all__ = ["Connection"]

_DEFAULT_LIMITS = Limits()


class Connection(Sender):
    """One connection, server side unless ``client``.

    A client never sends HEAD requests: their responses' content-length would be misjudged.

    Args:
        whole_requests: report a request whose head and only DATA frame came together as one
            `RequestReceived`, which costs less; without, any split of the octets gives the same
            events.

    Attributes:
        limits: what the peer is held to.
        streams: open streams by id. A stream leaves when both sides are closed or it is reset.
    """

    __slots__ = (
        "_max_streams",
        "_reader",
        "_uncredited",
        "_window_updates",
        "limits",
        "streams",
    )

    def __init__(
        self,
        *,
        client: bool = False,
        limits: Limits = _DEFAULT_LIMITS,
        whole_requests: bool = False,
    ) -> None:
        shared = Shared(client=client, limits=limits)
        super().__init__(shared)
        self.limits = limits
        self._reader = Reader(shared, whole_requests=whole_requests and not client)
        self._max_streams = MAX_WINDOW  # of the peer; unbounded before its SETTINGS (6.5.2)
        self._window_updates = 0
        self._uncredited = 0
        self.streams = shared.streams

    def receive(self, data: bytes, now: float = 0.0) -> list[Event]:
        """Read what the peer sent; any split of the octets gives the same events, as far as
        ``whole_requests`` does not join two of them.

        Exactly one thread at a time; needs no lock against the other methods. ``now`` in seconds,
        from any clock that does not step back, refills the rate limits.

        Raises:
            ProtocolError: the connection is over; send ``goaway`` with its code and close. Each
                further call raises it again. Events read before it are in its ``events``.
        """
        return self._reader.receive(data, now)

    def initiate(self) -> None:
        """Send the connection preface (3.4): for a client the magic octets, then SETTINGS, and
        the WINDOW_UPDATE that lifts the connection's window to ``limits.connection_window``."""
        limits = self.limits
        settings = {
            frames.INITIAL_WINDOW_SIZE: limits.initial_window_size,
            frames.MAX_HEADER_LIST_SIZE: limits.max_header_list_size,
        }
        if limits.header_table_size != DEFAULT_HEADER_TABLE_SIZE:
            settings[frames.HEADER_TABLE_SIZE] = limits.header_table_size
        if limits.max_frame_size != MIN_MAX_FRAME_SIZE:
            settings[frames.MAX_FRAME_SIZE] = limits.max_frame_size
        if self._shared.client:
            settings[frames.ENABLE_PUSH] = 0
            self._emit(frames.PREFACE)
        else:
            settings[frames.MAX_CONCURRENT_STREAMS] = limits.max_concurrent_streams
        self._shared.settings_sent += 1
        self._emit(frames.settings_frame(settings))
        grant = limits.connection_window - DEFAULT_WINDOW
        if grant:
            self._shared.granted += grant
            self._emit(frames.window_update_frame(0, grant))

    def apply(self, event: Event) -> list[Stream]:
        """Let the send half follow an event: windows, settings, acknowledgements, resets.

        Takes every event; those that do not concern sending change nothing. ``StreamFault`` is
        answered with RST_STREAM.

        Returns:
            The streams whose queued data is gone by it, sent or dropped (then ``reset`` is True),
            so that their writers can go on.

        Raises:
            ProtocolError: ENHANCE_YOUR_CALM: the peer does not read our acknowledgements, or
                sends far more WINDOW_UPDATE than our data explains.
        """
        if isinstance(event, WindowUpdated):
            return self._apply_window(event.stream, event.increment)
        if isinstance(event, PingReceived):
            self._count_control()
            self._emit(frames.frame(frames.PING, frames.ACK, 0, event.payload))
        elif isinstance(event, SettingsReceived):
            return self._apply_settings(event.changes)
        elif isinstance(event, StreamFault):
            dropped = [] if event.stream is None else self._drop(event.stream)
            self.reset_stream(event.stream_id, event.code)
            return dropped
        elif isinstance(event, StreamReset):
            return self._drop(event.stream)
        elif isinstance(event, DataDiscarded):
            self.credit_connection(event.flow_bytes)
        return []

    def _apply_window(self, stream: Stream | None, increment: int) -> list[Stream]:
        self._window_updates += 1
        explained = self._data_frames * WINDOW_UPDATES_PER_DATA + self.limits.window_update_burst
        if self._window_updates > explained:
            raise ProtocolError(
                ErrorCode.ENHANCE_YOUR_CALM,
                f"{self._window_updates} WINDOW_UPDATE frames for {self._data_frames} DATA frames",
            )
        if stream is None:
            self._send_credit += increment
            return self._drain_ready() if self._ready else []
        stream.send_credit += increment
        if stream.id in self._blocked and self._drain(stream):
            return [stream]
        return []

    def _apply_settings(self, changes: dict[int, int]) -> list[Stream]:
        """Take over the peer's SETTINGS, acknowledge them, send what they set free (6.5.3)."""
        self._count_control()
        get = changes.get
        self._max_frame_size = get(frames.MAX_FRAME_SIZE, self._max_frame_size)
        self._max_data = min(self._max_frame_size, LARGEST_DATA_FRAME)
        self._shape_response(self._head, self._trailers)
        self._max_streams = get(frames.MAX_CONCURRENT_STREAMS, self._max_streams)
        self._emit(frames.SETTINGS_ACK)
        # Every stream's window is this plus its own credit, so it moves with it (6.9.2).
        before = self._initial_window
        self._initial_window = get(frames.INITIAL_WINDOW_SIZE, before)
        if self._initial_window > before and self._blocked:
            self._ready.update(self._blocked)
            return self._drain_ready()
        return []

    def _drop(self, stream: Stream) -> list[Stream]:
        """Forget what waits on a stream that is reset."""
        if not stream.queued and stream.id not in self._blocked:
            return []
        self._forget_queue(stream)
        return [stream]

    def _count_control(self) -> None:
        """One more acknowledgement waits to be read by the peer that asked for it."""
        self._control_waiting += 1
        if self._control_waiting > self.limits.max_outgoing_control:
            raise ProtocolError(
                ErrorCode.ENHANCE_YOUR_CALM,
                f"{self._control_waiting} acknowledgements and resets wait unread",
            )

    # --- streams and the connection --------------------------------------------------------

    def open_stream(self) -> Stream:
        """A new request stream (client). Its id must be used in order: call ``send_headers``
        before the write lock is released (RFC 9113 section 5.1.1).

        Raises:
            StreamRefused: the peer takes no more now, or no more at all (``permanent``).
        """
        shared = self._shared
        sid = shared.next_id
        if not shared.client:
            raise StreamRefused("a server opens no streams: push is not offered", permanent=True)
        if shared.peer_goaway is not None or shared.goaway_last != MAX_WINDOW:
            raise StreamRefused("GOAWAY: open another connection", permanent=True)
        if sid > MAX_WINDOW:
            raise StreamRefused("all stream ids are used: open another connection", permanent=True)
        if len(self.streams) >= self._max_streams:
            raise StreamRefused(
                f"{len(self.streams)} streams are open, the peer allows {self._max_streams}",
                permanent=False,
            )
        stream = Stream(sid, False)
        shared.next_id = sid + 2
        self.streams[sid] = stream
        return stream

    def reset_stream(self, stream_id: int, code: int) -> None:
        """End a stream at once with RST_STREAM (6.4), unless it is closed already."""
        shared = self._shared
        if stream_id in shared.reset_by_us.ids:
            shared.owed.pop(stream_id, None)
            return
        shared.reset_by_us.add(stream_id)  # before it leaves streams: see Reader._is_ignored
        stream = self.streams.pop(stream_id, None)
        owed = stream_id in shared.owed
        if stream is None and not owed:
            return
        shared.owed.pop(stream_id, None)
        blocked = find(self._blocked, stream_id)
        if blocked is not None:
            self._forget_queue(blocked)
        if stream is not None:
            stream.reset = True
            if not stream.announced:
                return  # the peer does not know it: RST_STREAM on an idle stream is an error
        self._control_waiting += 1
        self._emit(frames.rst_stream_frame(stream_id, code))

    def ping(self, payload: bytes) -> None:
        """Send PING; ``PingAcked`` brings the payload back.

        Raises:
            ValueError: not 8 octets (6.7).
        """
        if len(payload) != 8:
            raise ValueError(f"a PING carries 8 octets, not {len(payload)} (RFC 9113 section 6.7)")
        self._emit(frames.frame(frames.PING, 0, 0, payload))

    def goaway(self, code: int, debug: bytes = b"", last_stream_id: int | None = None) -> None:
        """Send GOAWAY (6.8): streams above ``last_stream_id`` are refused from now on.

        By default that is the highest stream the peer has opened. For a graceful stop, first pass
        2**31-1, which refuses none, then once more without. A later call never raises the value.
        """
        shared = self._shared
        if shared.client:
            last = 0  # of the server's streams, and there are none
            shared.goaway_last = 0
        else:
            before = shared.goaway_last
            last = shared.highest if last_stream_id is None else last_stream_id
            last = shared.goaway_last = min(before, last)
            # First written, then compared: the reader does it the other way round, so that of a
            # stream opened meanwhile either it knows that we do not count it, or we do count it.
            while last_stream_id is None and min(before, shared.highest) > last:
                last = shared.goaway_last = min(before, shared.highest)
        self._emit(frames.goaway_frame(last, code, debug))

    # --- windows of ours -------------------------------------------------------------------

    def credit(self, stream: Stream | None, n: int) -> None:
        """The owner consumed ``n`` flow-controlled octets of ``stream``: let the peer send as many.

        Both windows get them, only the connection's if ``stream`` is None. WINDOW_UPDATE goes
        out once half a window has gathered.
        """
        if stream is not None:
            self.credit_stream(stream, n)
        self.credit_connection(n)

    def credit_connection(self, n: int) -> None:
        """As ``credit``, for the connection's window only."""
        gathered = self._uncredited + n
        if gathered * 2 >= self.limits.connection_window:
            self._shared.granted += gathered
            self._emit(frames.window_update_frame(0, gathered))
            gathered = 0
        self._uncredited = gathered

    def credit_stream(self, stream: Stream, n: int) -> None:
        """As ``credit``, for the stream's window only; nothing if the peer has ended its side."""
        if stream.recv_closed:
            return
        gathered = stream.uncredited + n
        if gathered and gathered * 2 >= self.limits.initial_window_size:
            stream.granted += gathered
            self._emit(frames.window_update_frame(stream.id, gathered))
            gathered = 0
        stream.uncredited = gathered
