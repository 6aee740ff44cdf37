"""The client's side: a channel to one server, and its calls.

One connection, opened when first needed and again when it is lost; its reads run on a reactor of
the channel's own, so that any number of threads can have calls open at once. Retries are not made
here: a caller knows which of its calls may be repeated.
"""

from __future__ import annotations

import contextvars
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Final

from ftbridge.http2 import (
    Connection,
    DataReceived,
    ErrorCode,
    GoAwayReceived,
    HeadersReceived,
    Stream,
    StreamRefused,
    TrailersReceived,
    encode_headers,
)

from .address import Address, parse_address
from .endpoint import Endpoint
from .framing import Assembler, frame
from .head import CONTENT_TYPE
from .metadata import decode_metadata, encode_metadata, encode_timeout
from .method import DEFAULT_MAX_MESSAGE_BYTES
from .reactor import Reactor
from .status import (
    Metadata,
    RpcError,
    StatusCode,
    decode_message,
    decode_status,
    status_of_http,
    status_of_reset,
)

DEFAULT_CONNECT_TIMEOUT: Final = 10.0
"""Seconds to reach the server when a call has no timeout of its own."""

_USER_AGENT: Final = (b"user-agent", b"grpc-python-ftbridge/0.1.0")


class ConnectError(RpcError):
    """The server could not be reached: nothing of the call was sent."""


class CallEnd:
    """Last item of a call's queue: how it ended. ``error`` is None for OK."""

    __slots__ = ("error",)

    def __init__(self, error: RpcError | None) -> None:
        self.error = error

    def check(self) -> None:
        """Raise the error, if there is one.

        As a new object, of which no frame has a name: else its traceback would keep the call
        alive, and the call it, until a garbage collection.
        """
        if self.error is not None:
            raise copy(self.error)


class ClientConnection(Endpoint):
    """The channel's end of a connection."""

    def __init__(self, sock: socket.socket, reactor: Reactor, target: str) -> None:
        super().__init__(sock, Connection(client=True), reactor)
        self.target = target
        self.usable = True  # False once the server asked for no more calls
        self.room = threading.Condition()  # a stream has ended: one more may be opened
        self._waiting: set[Callable[[], object]] = set()  # for that; guarded by room

    def on_headers(self, event: HeadersReceived, now: float) -> None:
        call = event.stream.app
        if call is not None:
            call.on_headers(event)

    def on_data(self, event: DataReceived, now: float) -> None:
        call = event.stream.app
        if call is not None:
            call.on_data(event)

    def on_trailers(self, event: TrailersReceived, now: float) -> None:
        call = event.stream.app
        if call is not None:
            call.on_trailers(event)

    def on_stream_ended(self, stream: Stream, code: int, reason: str) -> None:
        _finish(stream, status_of_reset(code), f"stream ended: {reason}")

    def on_drained(self, stream: Stream) -> None:
        call = stream.app
        if call is not None:
            call.ready.set()

    def on_goaway(self, event: GoAwayReceived) -> None:
        self.usable = False
        for stream in list(self.h2.streams.values()):
            if stream.id > event.last_stream_id:
                reason = f"{self.target} is going away; not processed"
                _finish(stream, StatusCode.UNAVAILABLE, reason)

    def on_lost(self, reason: str) -> None:
        self.usable = False
        for stream in list(self.h2.streams.values()):
            _finish(stream, StatusCode.UNAVAILABLE, f"{self.target}: {reason}")
        self.stream_ended()

    def stream_ended(self) -> None:
        with self.room:
            self.room.notify_all()
            waiting = self._waiting
            if waiting:
                self._waiting = set()
        for notify in waiting:
            notify()

    def when_room(self, notify: Callable[[], object]) -> None:
        """Have ``notify()`` called, once, when a stream ends. Any thread may call it."""
        with self.room:
            self._waiting.add(notify)


def _finish(stream: Stream, code: StatusCode, reason: str) -> None:
    call = stream.app  # read once: another thread may end the call now
    if call is not None:
        call.finish(RpcError(code, reason))


class ClientCall:
    """An open call: iterate over its responses, cancel it, read its metadata.

    Responses may be taken by one thread at a time; `cancel` is for any thread.

    Args:
        notify: called, on any thread, whenever `poll` may have something new; must not block or
            raise. None when responses are waited for.
    """

    def __init__(
        self,
        connection: ClientConnection,
        stream: Stream,
        deadline: float | None,
        limit: int,
        notify: Callable[[], object] | None = None,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._deadline = deadline
        self._limit = limit
        self._notify = notify
        self._items: queue.SimpleQueue[bytes | CallEnd] = queue.SimpleQueue()
        self._assembler: Assembler | None = None
        self._owed = 0
        self._headers_seen = threading.Event()
        self.ready = threading.Event()
        self.done = False
        self._end: CallEnd | None = None
        self._initial_metadata: Metadata = ()
        self._trailing_metadata: Metadata = ()

    # --- for the caller ---------------------------------------------------------------------

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next response. Raises `RpcError` when the call failed, StopIteration at its end."""
        end = self._end
        if end is None:
            try:
                item = self._items.get(timeout=self._remaining())
            except queue.Empty:
                self.expire()
                item = self._items.get()
            if isinstance(item, bytes):
                self._consumed()
                return item
            end = self._end = item
        end.check()
        raise StopIteration

    def result(self) -> bytes:
        """The only response of a call that has one. Raises `RpcError`."""
        first = next(self, None)
        if first is None:
            raise RpcError(StatusCode.UNIMPLEMENTED, "the server sent OK without a response")
        if next(self, None) is not None:
            self.cancel()
            raise RpcError(StatusCode.UNIMPLEMENTED, "the server sent more than one response")
        return first

    def poll(self) -> bytes | CallEnd | None:
        """The next response, or how the call ended; None when neither has come. Never waits."""
        if self._end is not None:
            return self._end
        try:
            item = self._items.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, bytes):
            self._consumed()
        else:
            self._end = item
        return item

    def expire(self) -> None:
        """End the call as one whose deadline has passed."""
        self._cancel(RpcError(StatusCode.DEADLINE_EXCEEDED, "deadline exceeded"))

    def cancel(self) -> None:
        """Give the call up: the server is told, and whoever waits gets CANCELLED."""
        self._cancel(RpcError(StatusCode.CANCELLED, "cancelled by the caller"))

    def close(self) -> None:
        """`cancel`, unless it has ended; for ``contextlib.closing`` and generators."""
        if not self.done:
            self.cancel()

    def initial_metadata(self) -> Metadata:
        """What the server sent first; waits for it, or for the end of the call."""
        if not self._headers_seen.wait(self._remaining()):
            self.expire()
        return self._initial_metadata

    def trailing_metadata(self) -> Metadata:
        """What came with the status; empty before the end."""
        return self._trailing_metadata

    # --- sending --------------------------------------------------------------------------------

    def send_all(self, requests: Iterable[bytes]) -> None:
        """Send a stream of requests, held back by the server's flow control, and end it."""
        connection = self._connection
        for message in requests:
            data = frame(message, limit=DEFAULT_MAX_MESSAGE_BYTES)
            if not connection.send_message(
                self._stream, data, self, ready=self.ready, deadline=self._deadline
            ):
                return
        connection.send_message(self._stream, b"", self, ready=self.ready, end_stream=True)

    def send_all_guarded(self, requests: Iterable[bytes]) -> None:
        """`send_all` on a thread of its own: what ``requests`` raises ends the call."""
        try:
            self.send_all(requests)
        except BaseException as exc:  # noqa: BLE001 - handed to the thread that reads
            code = exc.code if isinstance(exc, RpcError) else StatusCode.UNKNOWN
            self._cancel(RpcError(code, f"request stream failed: {type(exc).__name__}: {exc}"))

    # --- the reactor's side ---------------------------------------------------------------------

    def on_headers(self, event: HeadersReceived) -> None:
        pseudo = event.headers.pseudo
        status = pseudo.get(b":status", b"")
        if status.startswith(b"1"):
            return  # informational: the real head follows
        fields = dict(event.headers.fields)
        if status != b"200" and b"grpc-status" not in fields:
            text = status.decode("ascii", "replace")
            self._cancel(RpcError(status_of_http(status), f"the server answered HTTP {text}"))
            return
        if event.end_stream:
            self._finish_with(event.headers.fields)
            return
        content_type = fields.get(b"content-type", b"")
        if not content_type.startswith(b"application/grpc"):
            self._cancel(
                RpcError(StatusCode.UNKNOWN, f"content-type {content_type[:60]!r} is not gRPC's")
            )
            return
        self._assembler = Assembler(limit=self._limit, gzip=fields.get(b"grpc-encoding") == b"gzip")
        try:
            self._initial_metadata = decode_metadata(event.headers.fields)
        except ValueError as exc:
            self._cancel(RpcError(StatusCode.INTERNAL, str(exc)))
        self._headers_seen.set()

    def on_data(self, event: DataReceived) -> None:
        if self.done or self._assembler is None:
            return
        try:
            messages = self._assembler.feed(event.data)
        except RpcError as exc:
            self._cancel(exc)
            return
        connection = self._connection
        with connection.lock:
            for message in messages:
                self._items.put(message)
            if not event.end_stream:
                if self._items.empty():
                    connection.h2.credit_stream(self._stream, event.flow_bytes)
                else:
                    self._owed += event.flow_bytes
        if messages and self._notify is not None:
            self._notify()
        if event.end_stream:
            self.finish(RpcError(StatusCode.UNKNOWN, "the response ended without a grpc-status"))

    def on_trailers(self, event: TrailersReceived) -> None:
        self._finish_with(event.headers.fields)

    def _finish_with(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        found = dict(fields)
        raw = found.get(b"grpc-status")
        error: RpcError | None = None
        try:
            self._trailing_metadata = decode_metadata(fields)
        except ValueError as exc:
            error = RpcError(StatusCode.INTERNAL, str(exc))
        if raw is None:
            error = RpcError(StatusCode.UNKNOWN, "the response ended without a grpc-status")
        elif (code := decode_status(raw)) != StatusCode.OK:
            details = decode_message(found.get(b"grpc-message", b""))
            error = RpcError(code, details, self._trailing_metadata)
        elif self._assembler is not None and error is None:
            try:
                self._assembler.finish()
            except RpcError as exc:
                error = exc
        self.finish(error)

    def finish(self, error: RpcError | None) -> bool:
        """End the call as seen from here; False when it had ended. Any thread."""
        connection = self._connection
        with connection.lock:
            if self.done:
                return False
            self.done = True
        self._stream.app = None  # they would else keep each other until a collection
        self._items.put(CallEnd(error))
        self.ready.set()
        self._headers_seen.set()
        if self._notify is not None:
            self._notify()
        connection.stream_ended()
        return True

    # --- private --------------------------------------------------------------------------------

    def _remaining(self) -> float | None:
        deadline = self._deadline
        return None if deadline is None else max(0.0, deadline - time.monotonic())

    def _cancel(self, error: RpcError) -> None:
        if not self.finish(error):
            return
        connection = self._connection
        with connection.lock:
            if not connection.closed:
                connection.h2.reset_stream(self._stream.id, ErrorCode.CANCEL)
        connection.flush()

    def _consumed(self) -> None:
        connection = self._connection
        with connection.lock:
            owed = self._owed
            if not owed or not self._items.empty() or self.done or connection.closed:
                return
            self._owed = 0
            connection.h2.credit_stream(self._stream, owed)
            chunks = connection.take_if_writer()
        if chunks:
            connection.write(chunks)


class Channel:
    """Calls to one server. Safe to use from any number of threads.

    Args:
        target: ``host:port`` or ``unix:/path``.
        max_receive_bytes: longest response message that is accepted.

    Every method raises `RpcError`: UNAVAILABLE when the server cannot be reached or the
    connection is lost, DEADLINE_EXCEEDED after ``timeout`` seconds, else what the server said.
    """

    def __init__(self, target: str, *, max_receive_bytes: int = DEFAULT_MAX_MESSAGE_BYTES) -> None:
        self.target = target
        self._address: Address = parse_address(target)
        self._limit = max_receive_bytes
        self._lock = threading.Lock()
        self._connection: ClientConnection | None = None
        self._reactor: Reactor | None = None
        self._closed = False

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def unary(
        self, path: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> bytes:
        """One request, one response. An interrupt, such as Ctrl-C's, cancels the call."""
        call = self._start(path, request, timeout, metadata)
        try:
            return call.result()
        finally:
            call.close()

    def unary_stream(
        self, path: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> ClientCall:
        """One request; iterate over the responses."""
        return self._start(path, request, timeout, metadata)

    def stream_unary(
        self,
        path: str,
        requests: Iterable[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> bytes:
        """Many requests, sent from this thread; one response."""
        call = self._start(path, None, timeout, metadata)
        try:
            call.send_all(requests)
        except BaseException:
            call.cancel()
            raise
        return call.result()

    def stream_stream(
        self,
        path: str,
        requests: Iterable[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> ClientCall:
        """Many requests, sent from a thread of the call's own; iterate over the responses."""
        call = self._start(path, None, timeout, metadata)
        threading.Thread(
            target=call.send_all_guarded, args=(requests,), name="ftbridge-sender", daemon=True
        ).start()
        return call

    def close(self) -> None:
        """Close the connection; open calls end with UNAVAILABLE."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
            reactor, self._reactor = self._reactor, None
        if reactor is not None:
            if connection is not None:
                reactor.call_soon(
                    connection.fail, ErrorCode.NO_ERROR, "channel closed", time.monotonic()
                )
                reactor.call_soon(connection.close, "channel closed")
            reactor.call_soon(reactor.stop)
            if threading.current_thread() is not reactor.thread:
                reactor.thread.join()

    # --- private --------------------------------------------------------------------------------

    def _start(
        self, path: str, request: bytes | None, timeout: float | None, metadata: Metadata
    ) -> ClientCall:
        deadline = None if timeout is None else time.monotonic() + timeout
        block = self.head(path, timeout, metadata)
        data = None if request is None else frame(request, limit=DEFAULT_MAX_MESSAGE_BYTES)
        while True:
            connection = self._connect(deadline)
            call = self.open_call(connection, block, data, deadline)
            if call is not None:
                return call
            if connection.usable:
                self._wait_for_room(connection, deadline)
            # The connection was lost, or filled up, before anything was sent: look again.
            if deadline is not None and time.monotonic() >= deadline:
                raise RpcError(StatusCode.DEADLINE_EXCEEDED, "deadline exceeded before sending")

    # --- for calls that must not wait (`async_channel`) ------------------------------------------

    def head(self, path: str, timeout: float | None, metadata: Metadata) -> bytes:
        """A call's encoded header block; ``timeout`` is what the server is told, in seconds."""
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", self.target.encode()),
            (b"te", b"trailers"),
            CONTENT_TYPE,
            _USER_AGENT,
            (b"grpc-accept-encoding", b"identity,gzip"),
        ]
        if timeout is not None:
            fields.append((b"grpc-timeout", encode_timeout(timeout)))
        return encode_headers(fields + encode_metadata(metadata))

    def connected(self) -> ClientConnection | None:
        """The connection, if there is one that takes calls. Never waits.

        Raises:
            RpcError: the channel is closed.
        """
        if self._closed:
            raise self._closed_error()
        connection = self._connection
        if connection is None or not connection.usable or connection.closed:
            return None
        return connection

    def connect(self) -> None:
        """Connect if there is no connection: waits for as long as that takes.

        Raises:
            RpcError: the server cannot be reached, or the channel is closed.
        """
        self._connect(None)

    def open_call(
        self,
        connection: ClientConnection,
        block: bytes,
        data: bytes | None,
        deadline: float | None,
        notify: Callable[[], object] | None = None,
    ) -> ClientCall | None:
        """Begin a call; None when the connection takes no more calls, now or (no longer
        ``usable``) ever. Never waits.
        """
        h2 = connection.h2
        with connection.lock:
            if connection.closed or not connection.usable:
                connection.usable = False
                return None
            try:
                stream = h2.open_stream()
            except StreamRefused as exc:
                if exc.permanent:  # a new connection has new stream ids
                    connection.usable = False
                return None
            call = ClientCall(connection, stream, deadline, self._limit, notify)
            stream.app = call
            h2.send_headers(stream, block)
            if data is not None:
                h2.send_data(stream, data, end_stream=True)
            chunks = connection.take_if_writer()
        if chunks:
            connection.write(chunks)
        return call

    def _wait_for_room(self, connection: ClientConnection, deadline: float | None) -> None:
        """The server allows no more concurrent streams: wait until one ends."""
        with connection.room:
            # A stream may have ended since; a short wait bounds what such a miss costs.
            remaining = 0.1 if deadline is None else min(0.1, deadline - time.monotonic())
            connection.room.wait(max(0.0, remaining))

    def _closed_error(self) -> RpcError:
        return RpcError(StatusCode.UNAVAILABLE, f"channel to {self.target} is closed")

    def _connect(self, deadline: float | None) -> ClientConnection:
        # Another call may be connecting, to a server that takes its time: wait no longer than
        # this one's own.
        patience = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._lock.acquire(timeout=patience):
            raise RpcError(StatusCode.DEADLINE_EXCEEDED, "deadline exceeded before connecting")
        try:
            if self._closed:
                raise self._closed_error()
            connection = self._connection
            if connection is not None and connection.usable and not connection.closed:
                return connection
            now = time.monotonic()
            timeout = DEFAULT_CONNECT_TIMEOUT if deadline is None else deadline - now
            if timeout <= 0:
                raise RpcError(StatusCode.DEADLINE_EXCEEDED, "deadline exceeded before connecting")
            sock = _connect(self._address, timeout)
            if self._reactor is None:
                self._reactor = Reactor(name="ftbridge-channel")
                # Its thread outlives the call that happens to start it, and keeps nothing of it.
                contextvars.Context().run(self._reactor.start)
            connection = ClientConnection(sock, self._reactor, self.target)
            connection.open(now)
            self._connection = connection
            return connection
        finally:
            self._lock.release()


def _connect(address: Address, timeout: float) -> socket.socket:
    """A connected, non-blocking socket. Raises `ConnectError`: UNAVAILABLE, DEADLINE_EXCEEDED."""
    sock: socket.socket | None = None
    try:
        if address.family == socket.AF_UNIX:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout)
            sock.connect(address.host)
        else:
            sock = socket.create_connection((address.host, address.port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
    except OSError as exc:
        if sock is not None:
            sock.close()
        code = (
            StatusCode.DEADLINE_EXCEEDED
            if isinstance(exc, TimeoutError)
            else StatusCode.UNAVAILABLE
        )
        raise ConnectError(code, f"cannot connect to {address}: {exc.strerror or exc}") from None
    return sock
