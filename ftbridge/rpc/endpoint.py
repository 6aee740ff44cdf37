"""One socket, its HTTP/2 connection, and writes that threads combine.

The read half runs on the connection's reactor without a lock. The send half is shared by the
reactor and the handler threads under `Endpoint.lock`, which no other connection uses. Whoever
finds the socket idle becomes the writer and sends what everybody has produced until nothing is
left ("combining"), so that calls finishing together share one system call and nobody waits for
the socket while holding the lock.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from ftbridge.http2 import (
    Connection,
    DataReceived,
    ErrorCode,
    Event,
    GoAwayReceived,
    HeadersReceived,
    PingAcked,
    ProtocolError,
    RequestReceived,
    SettingsReceived,
    Stream,
    StreamFault,
    StreamReset,
    TrailersReceived,
)

from .reactor import READ, WRITE, Reactor

_log = logging.getLogger("ftbridge.rpc")

_RECEIVE_BYTES = 1 << 16
"""One read: four default HTTP/2 frames; larger reads only lengthen a reactor's turn."""

PAUSE_READING_BYTES = 4 << 20
"""Unsent output at which a peer that does not read its answers is no longer listened to."""

BLOCK_WRITER_BYTES = 256 << 10
"""Unsent output at which streaming handlers are held back."""

HOLD_BYTES = 64 << 20
"""Received stream messages that wait for handlers, past which the peer is held back: four
connection windows."""

_LINGER_SECONDS = 1.0  # for a last GOAWAY to leave before the socket is closed


class Endable(Protocol):
    """A call, as far as sending for it goes."""

    @property
    def done(self) -> bool: ...


class Endpoint:
    """Base of both ends of a connection. Subclasses handle the stream events.

    Args:
        sock: connected, non-blocking.
        h2: the protocol state; from here on only this object touches it.
    """

    def __init__(self, sock: socket.socket, h2: Connection, reactor: Reactor) -> None:
        self.sock = sock
        self.h2 = h2
        self.reactor = reactor
        self.lock = threading.Lock()
        self.closed = False
        self.greeted = False  # the peer's preface, its first SETTINGS, has come
        self.last_read = 0.0  # monotonic seconds of the last byte from the peer
        self._write_stalled_since: float | None = None
        self._writing = False
        self.flush_due = False  # the reactor has been asked for a `flush`, see `Reactor.flush_soon`
        self._unsent: memoryview | None = None
        self._paused = False
        self._blocked: set[threading.Event] = set()
        self._closing_at: float | None = None
        self._uncredited = 0
        self._credit_step = h2.limits.connection_window // 4
        self._ping_sent_at: float | None = None
        self._ended = False
        self.held = 0  # bytes received that wait for a handler; guarded by lock

    # --- life ----------------------------------------------------------------------------

    def open(self, now: float) -> None:
        """Send our preface and start to read. On the reactor's thread."""
        self.last_read = now
        with self.lock:
            self.h2.initiate()
        self.reactor.watch(self, READ)
        self.flush()

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self, reason: str) -> None:
        """End every stream and close the socket. On the reactor's thread; later calls do nothing.

        A handler thread may be inside ``send`` on this socket. Closing the descriptor under it
        could hand its number, and that thread's bytes, to the next connection: such a writer is
        woken by the shutdown and releases the socket itself.
        """
        with self.lock:
            if self.closed:
                return
            self.closed = True
            writer_inside = self._writing and self._unsent is None
            blocked = list(self._blocked)
            self._blocked.clear()
        self.reactor.forget(self)
        if writer_inside:
            self._shutdown(socket.SHUT_RDWR)
        else:
            self.sock.close()
        self._end_streams(reason)
        for event in blocked:
            event.set()

    def fail(self, code: ErrorCode, reason: str, now: float) -> None:
        """Tell the peer why (GOAWAY), then close once that has left. On the reactor's thread."""
        if self.closed or self._closing_at is not None:
            return
        self._closing_at = now + _LINGER_SECONDS
        with self.lock:
            self.h2.goaway(code, reason.encode("utf-8", "replace")[:256])
        self.flush()
        self._end_streams(reason)
        if not self._writing:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        """Half-close, and leave the rest to the peer's own close or the next ticks.

        A full close with unread input would send a TCP reset, which makes the peer's kernel drop
        the GOAWAY that explains it (RFC 9293 section 3.6, RFC 1122 section 4.2.2.13).
        """
        self._shutdown(socket.SHUT_WR)

    def _shutdown(self, how: int) -> None:
        try:
            self.sock.shutdown(how)
        except OSError:
            pass

    def _end_streams(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self.on_lost(reason)

    # --- subclass hooks, all on the reactor's thread ------------------------------------------

    def on_headers(self, event: HeadersReceived, now: float) -> None:
        raise NotImplementedError

    def on_request(self, event: RequestReceived, now: float) -> None:
        """As `on_headers`, then `on_data`; only where the connection joins the two."""
        raise NotImplementedError

    def on_data(self, event: DataReceived, now: float) -> None:
        raise NotImplementedError

    def on_trailers(self, event: TrailersReceived, now: float) -> None:
        raise NotImplementedError

    def on_stream_ended(self, stream: Stream, code: int, reason: str) -> None:
        """The stream was reset, by the peer or because the peer broke a rule of the stream."""
        raise NotImplementedError

    def on_goaway(self, event: GoAwayReceived) -> None:
        """The peer will open, or accept, no further streams."""

    def on_ping_ack(self, payload: bytes) -> None:
        """The answer to a ping of the subclass's own."""

    def on_lost(self, reason: str) -> None:
        """The connection has gone; every stream with it."""
        raise NotImplementedError

    # --- reading (the reactor's thread) -------------------------------------------------------

    def on_ready(self, mask: int, now: float) -> None:
        if mask & WRITE:
            self._resume_writing()
            if self.closed:
                return
        if mask & ~WRITE:
            self._read(now)

    def _read(self, now: float) -> None:
        try:
            data = self.sock.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            self.close(f"connection lost: {exc}")
            return
        if not data:
            self.close("connection closed by the peer")
            return
        if self._closing_at is not None:
            return  # we have said goodbye; read only to see the peer close
        self.last_read = now
        self._ping_sent_at = None
        try:
            for event in self.h2.receive(data, now):
                kind = type(event)
                if kind is RequestReceived:
                    self._uncredited += event.flow_bytes  # type: ignore[union-attr]
                    self.on_request(event, now)  # type: ignore[arg-type]
                elif kind is HeadersReceived:
                    self.on_headers(event, now)  # type: ignore[arg-type]
                elif kind is DataReceived:
                    self._uncredited += event.flow_bytes  # type: ignore[union-attr]
                    self.on_data(event, now)  # type: ignore[arg-type]
                else:
                    self._on_control(event, now)
        except ProtocolError as exc:
            _log.debug("closing %s: %s", self, exc)
            self.fail(exc.code, exc.reason, now)
            return
        if self._uncredited >= self._credit_step:
            self.credit()
        if self.h2.outgoing_size:
            self.flush()

    def credit(self) -> None:
        """Let the peer send more on the connection, unless too much waits to be consumed.

        Connection window is returned on receipt, so that one stalled stream does not stop the
        others, until `HOLD_BYTES` of complete messages wait for their handlers.
        """
        with self.lock:
            if self.closed or self.held > HOLD_BYTES:
                return
            self.h2.credit_connection(self._uncredited)
            self._uncredited = 0

    def release(self, held: int) -> bool:
        """A handler took ``held`` bytes. With the lock held; True if `credit` is now due."""
        before = self.held
        self.held = before - held
        return before > HOLD_BYTES >= self.held

    def _on_control(self, event: Event, now: float) -> None:
        if isinstance(event, TrailersReceived):
            self.on_trailers(event, now)
            return
        if isinstance(event, StreamFault):
            with self.lock:
                self.h2.reset_stream(event.stream_id, event.code)
            if event.stream is not None:
                self.on_stream_ended(event.stream, event.code, event.reason)
            return
        with self.lock:
            drained = self.h2.apply(event)
        for stream in drained:
            self.on_drained(stream)
        if isinstance(event, SettingsReceived):
            self.greeted = True
        elif isinstance(event, StreamReset):
            self.on_stream_ended(event.stream, event.code, "reset by the peer")
        elif isinstance(event, GoAwayReceived):
            self.on_goaway(event)
        elif isinstance(event, PingAcked):
            self.on_ping_ack(event.payload)

    def on_drained(self, stream: Stream) -> None:
        """Everything queued on the stream has been framed: its writer may go on."""

    # --- writing (any thread) -----------------------------------------------------------------

    def flush(self) -> None:
        """Send what the protocol has produced, unless another thread is already at it."""
        self.flush_due = False  # before the lock is taken: see `Reactor.flush_soon`
        with self.lock:
            chunks = self.take_if_writer()
        if chunks:
            self.write(chunks)

    def take_if_writer(self) -> Sequence[bytes]:
        """Become the writer if there is none. Call with `lock` held; pass the result to `write`."""
        if self._writing or self.closed:
            return ()
        chunks = self.h2.take_outgoing()
        if chunks:
            self._writing = True
        return chunks

    def write(self, chunks: Sequence[bytes]) -> None:
        """Send until nothing is left or the socket is full. Only the writer; without the lock."""
        send = self.sock.send
        blocked: Sequence[threading.Event] = ()
        while True:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            try:
                sent = send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as exc:
                self._lost_while_writing(exc)
                return
            with self.lock:
                if self.closed:
                    self._writing = False
                    break
                if sent < len(data):
                    self._unsent = memoryview(data)[sent:]
                    self._watch_for_room()
                    return
                chunks = self.h2.take_outgoing()
                if not chunks:
                    self._writing = False
                    blocked = self._take_blocked()
                    break
        if self.closed:
            self.sock.close()
        for event in blocked:
            event.set()

    def _take_blocked(self) -> Sequence[threading.Event]:
        """The writers that waited for the socket. With the lock held."""
        if not self._blocked:
            return ()
        blocked = tuple(self._blocked)
        self._blocked.clear()
        return blocked

    @property
    def unsent_bytes(self) -> int:
        """Output that the socket has not taken, without what waits for the peer's window."""
        unsent = self._unsent
        return (0 if unsent is None else len(unsent)) + self.h2.outgoing_size

    def send_message(
        self,
        stream: Stream,
        data: bytes,
        call: Endable,
        *,
        ready: threading.Event | None = None,
        deadline: float | None = None,
        end_stream: bool = False,
    ) -> bool:
        """Send a message of a stream, holding the caller back while the one before is queued.

        Args:
            ready: what to wait on; None never waits (a unary message is sent whole at once).
                Set by `on_drained`, by room in the socket, and by whoever ends the call.
            deadline: monotonic seconds at which to give up waiting.

        Returns:
            False when the call ended, or the deadline passed, before the message was sent.
        """
        while True:
            with self.lock:
                if call.done or self.closed:
                    return False
                if ready is None or not self._must_wait(stream, ready):
                    self.h2.send_data(stream, data, end_stream=end_stream)
                    chunks = self.take_if_writer()
                    break
            if not ready.wait(None if deadline is None else deadline - time.monotonic()):
                return False
        if chunks:
            self.write(chunks)
        return True

    def _must_wait(self, stream: Stream, ready: threading.Event) -> bool:
        """Whether a writer must wait for ``ready`` first; registers it if so. With the lock."""
        if stream.queued:
            ready.clear()
            return True
        if self.unsent_bytes <= BLOCK_WRITER_BYTES:
            return False
        ready.clear()
        self._blocked.add(ready)
        return True

    def _watch_for_room(self) -> None:
        """The socket is full: the reactor goes on writing. With the lock held."""
        if self._write_stalled_since is None:
            self._write_stalled_since = time.monotonic()
        self._paused = self.unsent_bytes > PAUSE_READING_BYTES
        self.reactor.rearm(self, WRITE if self._paused else READ | WRITE)

    def _resume_writing(self) -> None:
        blocked: Sequence[threading.Event] = ()
        with self.lock:
            unsent, self._unsent = self._unsent, None
            if unsent is None:
                return
        try:
            sent = self.sock.send(unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as exc:
            with self.lock:
                self._writing = False
            self.close(f"connection lost: {exc}")
            return
        with self.lock:
            if sent:
                self._write_stalled_since = None
            if sent < len(unsent):
                self._unsent = unsent[sent:]
                self._watch_for_room()
                return
            chunks = self.h2.take_outgoing()
            self._paused = False
            self.reactor.rearm(self, READ)
            if not chunks:
                self._writing = False
                blocked = self._take_blocked()
        for event in blocked:
            event.set()
        if chunks:
            self.write(chunks)
        elif self._closing_at is not None:
            self._say_goodbye()

    def _lost_while_writing(self, exc: OSError) -> None:
        with self.lock:
            self._writing = False
            closed = self.closed
        if closed:
            self.sock.close()
        else:
            # Only the reactor may take the file out of its epoll set.
            self.reactor.call_soon(self.close, f"connection lost: {exc}")

    # --- time (the reactor's thread, about once a second) ---------------------------------------

    def on_tick(
        self, now: float, *, keepalive: float, keepalive_timeout: float, stall: float
    ) -> None:
        """Close what is half-open or stuck; ping what is silent."""
        if self._closing_at is not None:
            if now >= self._closing_at:
                self.close("closed after an error")
            return
        since = self._write_stalled_since
        if since is not None and now - since > stall:
            self.close(f"the peer read nothing for {stall:g} s")
        elif self._ping_sent_at is not None:
            if now - self._ping_sent_at > keepalive_timeout:
                self.close(f"no answer to a ping for {keepalive_timeout:g} s")
        elif keepalive and now - self.last_read > keepalive:
            self._ping_sent_at = now
            with self.lock:
                self.h2.ping(b"keepaliv")
            self.flush()
