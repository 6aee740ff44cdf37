"""The read half's rules for every frame that carries no message: SETTINGS, PING, RST_STREAM, …

Apart from ``reader`` so that its loop over DATA and HEADERS stays readable. This module must
never import the send half.
"""

from typing import Final

from ftbridge.http2 import frames
from ftbridge.http2.abuse import RateLimit
from ftbridge.http2.blocks import BlockReader
from ftbridge.http2.errors import ErrorCode, ProtocolError
from ftbridge.http2.events import (
    Event,
    GoAwayReceived,
    PingAcked,
    PingReceived,
    SettingsAcked,
    SettingsReceived,
    StreamFault,
    StreamReset,
    WindowUpdated,
)
from ftbridge.http2.limits import (
    DEFAULT_WINDOW,
    MAX_MAX_FRAME_SIZE,
    MAX_WINDOW,
    MIN_MAX_FRAME_SIZE,
    RESET_MEMORY,
    SETTINGS_WEIGHT,
)
from ftbridge.http2.shared import Shared
from ftbridge.http2.stream import RecentIds, Stream
from ftlocks.tables import find

__all__ = ["ControlReader", "broken"]

_PRIORITY_SIZE: Final = 5
_RST_STREAM_SIZE: Final = 4
_PING_SIZE: Final = 8
_GOAWAY_MIN_SIZE: Final = 8
_WINDOW_UPDATE_SIZE: Final = 4
_SETTING_SIZE: Final = frames.SETTING.size


def broken(reason: str, code: ErrorCode = ErrorCode.PROTOCOL_ERROR) -> ProtocolError:
    """A connection error to raise; PROTOCOL_ERROR where the RFC names no other code."""
    return ProtocolError(code, reason)


class ControlReader:
    """State of the read half, and its handling of frames other than DATA and HEADERS."""

    __slots__ = (
        "_blocks",
        "_control",
        "_goaway_last",
        "_ignored",
        "_increments",
        "_now",
        "_peer_initial_window",
        "_peer_reset",
        "_resets",
        "_settings_acked",
        "_shared",
        "_stream_window",
        "_streams",
    )

    def __init__(self, shared: Shared) -> None:
        limits = shared.limits
        self._shared = shared
        self._streams = shared.streams
        self._blocks = BlockReader(limits, response=shared.client)
        self._now = 0.0
        # Before the peer knows our SETTINGS it may use the RFC's default window.
        self._stream_window = max(DEFAULT_WINDOW, limits.initial_window_size)
        self._peer_initial_window = DEFAULT_WINDOW
        self._increments = DEFAULT_WINDOW
        self._settings_acked = 0
        self._goaway_last = MAX_WINDOW
        self._ignored = RecentIds(RESET_MEMORY)
        self._peer_reset = RecentIds(RESET_MEMORY)
        self._resets = RateLimit(rate=limits.max_reset_rate, burst=limits.reset_burst)
        self._control = RateLimit(rate=limits.max_control_frames, burst=limits.max_control_frames)

    # --- shared with the reader ------------------------------------------------------------

    def _is_idle(self, sid: int) -> bool:
        """Nobody has used this stream yet (RFC 9113 section 5.1). For even ids, nobody ever will:
        we neither push nor allow it."""
        if not sid & 1:
            return True
        # The client's own counter cannot be stale: the peer only knows ids it was told.
        return sid >= self._shared.next_id if self._shared.client else sid > self._shared.highest

    def _is_ignored(self, sid: int) -> bool:
        """Frames on this closed stream may be late rather than wrong: one of us reset it."""
        return sid in self._shared.reset_by_us.ids or sid in self._ignored.ids

    def _fault(
        self, sid: int, stream: Stream | None, code: ErrorCode, reason: str, events: list[Event]
    ) -> None:
        """Report a stream error (5.4.2) and stop listening to the stream."""
        self._ignored.add(sid)
        self._shared.owed[sid] = None  # before it leaves streams: reset_stream asks for either
        if stream is not None:
            stream.recv_closed = True
            stream.reset = True
            self._streams.pop(sid, None)
        events.append(StreamFault(sid, stream, code, reason))
        self._count_reset()

    def _count_reset(self) -> None:
        if not self._resets.spend(self._now):
            limits = self._shared.limits
            raise broken(
                f"more than {limits.reset_burst} streams at once or {limits.max_reset_rate} a "
                f"second ended by reset",
                ErrorCode.ENHANCE_YOUR_CALM,
            )

    # --- frames ----------------------------------------------------------------------------

    def _control_frame(
        self, kind: int, flags: int, sid: int, payload: bytes, events: list[Event]
    ) -> None:
        """Any frame but DATA, HEADERS and an expected CONTINUATION."""
        if kind == frames.WINDOW_UPDATE:
            self._window_update(sid, payload, events)
            return
        if kind == frames.RST_STREAM:
            self._rst_stream(sid, payload, events)
            return
        weight = SETTINGS_WEIGHT if kind == frames.SETTINGS else 1
        if not self._control.spend(self._now, weight):
            raise broken(
                f"more than {self._shared.limits.max_control_frames} control frames a second",
                ErrorCode.ENHANCE_YOUR_CALM,
            )
        if kind == frames.PING:
            self._ping(flags, sid, payload, events)
        elif kind == frames.SETTINGS:
            self._settings(flags, sid, payload, events)
        elif kind == frames.PRIORITY:
            self._priority(sid, payload, events)
        elif kind == frames.GOAWAY:
            self._goaway(sid, payload, events)
        elif kind == frames.PUSH_PROMISE:
            # A client cannot push (8.4), and as a client we switched it off (6.6).
            raise broken("PUSH_PROMISE from a client, or while push is off (6.6, 8.4)")
        elif kind == frames.CONTINUATION:
            raise broken("CONTINUATION without a header block before it (6.10)")
        # Unknown types are ignored (4.1, 5.5).

    def _window_update(self, sid: int, payload: bytes, events: list[Event]) -> None:
        if len(payload) != _WINDOW_UPDATE_SIZE:
            raise broken(
                f"WINDOW_UPDATE of {len(payload)} octets instead of 4 (6.9)",
                ErrorCode.FRAME_SIZE_ERROR,
            )
        increment = frames.UINT32.unpack(payload)[0] & MAX_WINDOW
        if sid == 0:
            if increment == 0:
                raise broken("WINDOW_UPDATE by 0 on the connection (6.9)")
            self._increments += increment
            # What we have sent since is counted before it can be answered: see ``shared``.
            if self._increments - self._shared.sent > MAX_WINDOW:
                raise broken(
                    f"WINDOW_UPDATE by {increment} lifts the connection's window above 2**31-1 "
                    f"(6.9.1)",
                    ErrorCode.FLOW_CONTROL_ERROR,
                )
            events.append(WindowUpdated(None, increment))
            return
        stream = find(self._streams, sid)
        if stream is None:
            if self._is_idle(sid):
                raise broken(f"WINDOW_UPDATE on idle stream {sid} (5.1)")
            return  # closed: it may have been under way (5.1)
        if increment == 0:
            self._fault(sid, stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0 (6.9)", events)
            return
        increments = stream.increments + increment
        stream.increments = increments
        if self._peer_initial_window + increments - stream.sent > MAX_WINDOW:
            self._fault(
                sid,
                stream,
                ErrorCode.FLOW_CONTROL_ERROR,
                f"WINDOW_UPDATE by {increment} lifts the window above 2**31-1 (6.9.1)",
                events,
            )
            return
        events.append(WindowUpdated(stream, increment))

    def _rst_stream(self, sid: int, payload: bytes, events: list[Event]) -> None:
        if len(payload) != _RST_STREAM_SIZE:
            raise broken(
                f"RST_STREAM of {len(payload)} octets instead of 4 (6.4)",
                ErrorCode.FRAME_SIZE_ERROR,
            )
        if sid == 0 or self._is_idle(sid):
            raise broken(f"RST_STREAM on idle stream {sid} (6.4)")
        self._count_reset()
        stream = self._streams.pop(sid, None)
        if stream is None:
            return  # closed: it may have been under way (5.1)
        stream.recv_closed = True
        stream.reset = True
        self._peer_reset.add(sid)
        events.append(StreamReset(stream, frames.UINT32.unpack(payload)[0]))

    def _ping(self, flags: int, sid: int, payload: bytes, events: list[Event]) -> None:
        if sid != 0:
            raise broken(f"PING on stream {sid} (6.7)")
        if len(payload) != _PING_SIZE:
            raise broken(
                f"PING of {len(payload)} octets instead of 8 (6.7)", ErrorCode.FRAME_SIZE_ERROR
            )
        events.append(PingAcked(payload) if flags & frames.ACK else PingReceived(payload))

    def _priority(self, sid: int, payload: bytes, events: list[Event]) -> None:
        """Priorities are deprecated and ignored; their form is still checked (5.3.2, 6.3)."""
        if sid == 0:
            raise broken("PRIORITY on stream 0 (6.3)")
        if len(payload) != _PRIORITY_SIZE:
            code, reason = ErrorCode.FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} octets (6.3)"
        elif frames.UINT32.unpack_from(payload)[0] & frames.STREAM_ID_MASK == sid:
            code, reason = ErrorCode.PROTOCOL_ERROR, "PRIORITY depends on itself (RFC 7540 5.3.1)"
        else:
            return
        if self._is_idle(sid):
            raise broken(reason, code)  # RST_STREAM must not be sent on an idle stream (6.4)
        if not self._is_ignored(sid):
            self._fault(sid, find(self._streams, sid), code, reason, events)

    def _goaway(self, sid: int, payload: bytes, events: list[Event]) -> None:
        if sid != 0:
            raise broken(f"GOAWAY on stream {sid} (6.8)")
        if len(payload) < _GOAWAY_MIN_SIZE:
            raise broken(f"GOAWAY of {len(payload)} octets (6.8)", ErrorCode.FRAME_SIZE_ERROR)
        last, code = frames.TWO_UINT32.unpack_from(payload)
        last &= frames.STREAM_ID_MASK
        if last > self._goaway_last:
            raise broken(f"GOAWAY raises last_stream_id from {self._goaway_last} to {last} (6.8)")
        self._goaway_last = self._shared.peer_goaway = last
        events.append(GoAwayReceived(last, code, payload[_GOAWAY_MIN_SIZE:]))

    def _settings(self, flags: int, sid: int, payload: bytes, events: list[Event]) -> None:
        if sid != 0:
            raise broken(f"SETTINGS on stream {sid} (6.5)")
        if flags & frames.ACK:
            self._settings_ack(payload, events)
            return
        if len(payload) % _SETTING_SIZE:
            raise broken(f"SETTINGS of {len(payload)} octets (6.5)", ErrorCode.FRAME_SIZE_ERROR)
        changes: dict[int, int] = {}
        largest_window = -1
        for identifier, value in frames.SETTING.iter_unpack(payload):
            if identifier == frames.ENABLE_PUSH:
                if value > (0 if self._shared.client else 1):
                    raise broken(f"SETTINGS_ENABLE_PUSH is {value} (6.5.2)")
            elif identifier == frames.INITIAL_WINDOW_SIZE:
                if value > MAX_WINDOW:
                    raise broken(
                        f"SETTINGS_INITIAL_WINDOW_SIZE is {value} (6.5.2)",
                        ErrorCode.FLOW_CONTROL_ERROR,
                    )
                largest_window = max(largest_window, value)
            elif identifier == frames.MAX_FRAME_SIZE and not (
                MIN_MAX_FRAME_SIZE <= value <= MAX_MAX_FRAME_SIZE
            ):
                raise broken(f"SETTINGS_MAX_FRAME_SIZE is {value} (6.5.2)")
            changes[identifier] = value  # of several values the last one counts (6.5.3)
        if largest_window >= 0:
            self._check_windows(largest_window)
            self._peer_initial_window = changes[frames.INITIAL_WINDOW_SIZE]
        events.append(SettingsReceived(changes))

    def _check_windows(self, initial: int) -> None:
        """A new initial window moves every stream's window, which must stay in range (6.9.2).

        One walk for a frame, on the largest of its values: a frame has room for thousands.
        """
        if initial <= self._peer_initial_window:
            return
        for stream in self._streams.copy().values():  # copy() is atomic, iterating is not
            if initial + stream.increments - stream.sent > MAX_WINDOW:
                raise broken(
                    f"SETTINGS_INITIAL_WINDOW_SIZE {initial} lifts the window of stream "
                    f"{stream.id} above 2**31-1 (6.9.2)",
                    ErrorCode.FLOW_CONTROL_ERROR,
                )

    def _settings_ack(self, payload: bytes, events: list[Event]) -> None:
        if payload:
            raise broken(
                f"SETTINGS acknowledgement with {len(payload)} octets (6.5)",
                ErrorCode.FRAME_SIZE_ERROR,
            )
        if self._settings_acked >= self._shared.settings_sent:
            raise broken("SETTINGS acknowledgement without SETTINGS to acknowledge (6.5.3)")
        self._settings_acked += 1
        limits = self._shared.limits
        self._stream_window = limits.initial_window_size
        self._blocks.set_table_limit(limits.header_table_size)
        events.append(SettingsAcked())
