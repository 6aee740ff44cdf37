"""One call on the server: from its headers to its status, whoever ends it first.

A call is touched by the reactor (messages, deadline, reset, lost connection) and by one handler
thread (responses). Its end is decided exactly once, under the connection's lock: `done` goes from
False to True there, and whoever did that has sent the status; everybody else's result is dropped.
"""

from __future__ import annotations

import logging
import queue
import struct
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from ftbridge.http2 import ErrorCode, Stream

from .cost import Cost
from .framing import PREFIX_BYTES, Assembler, frame
from .head import RESPONSE_HEAD, TRAILERS_OK, RequestHead, response_head, trailers
from .method import Method, MethodKind
from .reactor import Bucket
from .status import Metadata, RpcError, StatusCode

if TYPE_CHECKING:
    from .server import ServerConnection

_log = logging.getLogger("ftbridge.rpc")

SMALL_MESSAGE = 1 << 14
"""Responses up to one default HTTP/2 frame take the short way (one append, one system call)."""

_PREFIX = struct.Struct(">BI")
_pack_prefix = _PREFIX.pack
_unpack_prefix = _PREFIX.unpack_from

_UNSAMPLED = 0x6
"""Of a client's stream ids, which are odd: of calls known to be short, one in four is timed."""

_STREAMS_IN = frozenset({MethodKind.CLIENT_STREAM, MethodKind.BIDI})
_STREAMS_OUT = frozenset({MethodKind.SERVER_STREAM, MethodKind.BIDI})


class ServerCall:
    """A `Call` of the native transport, and the work that its handler thread runs."""

    __slots__ = (
        "_assembler",
        "_bucket",
        "_callbacks",
        "_connection",
        "_cost",
        "_end_code",
        "_head",
        "_headers_sent",
        "_message",
        "_method",
        "_owed",
        "_ready",
        "_requests",
        "_stream",
        "_trailing",
        "deadline",
        "done",
    )

    def __init__(
        self, connection: ServerConnection, stream: Stream, head: RequestHead, method: Method
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._head = head
        self._method = method
        self.done = False
        self.deadline: float | None = None
        self._end_code: StatusCode | None = None  # why it ended early
        self._bucket: Bucket | None = None
        self._callbacks: list[Callable[[], None]] | None = None
        self._assembler: Assembler | None = None
        self._message: bytes | None = None
        self._cost: Cost | None = None
        self._requests: queue.SimpleQueue[bytes | RpcError | None] | None = None
        self._ready: threading.Event | None = None
        self._owed = 0
        self._headers_sent = False
        self._trailing: Metadata = ()

    # --- Call: what the handler sees ----------------------------------------------------------

    @property
    def invocation_metadata(self) -> Metadata:
        return self._head.metadata

    @property
    def peer(self) -> str:
        return self._connection.peer

    @property
    def cancelled(self) -> bool:
        return self._end_code is not None

    def time_remaining(self) -> float | None:
        deadline = self.deadline
        return None if deadline is None else max(0.0, deadline - monotonic())

    def raise_if_cancelled(self) -> None:
        code = self._end_code
        if code is not None:
            raise RpcError(code, "the call has ended; nobody waits for its result")

    def add_done_callback(self, fn: Callable[[], None]) -> None:
        with self._connection.lock:
            if not self.done:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(fn)
                return
        fn()

    def send_initial_metadata(self, metadata: Metadata) -> None:
        block = response_head(metadata, gzip=self._gzip)
        connection = self._connection
        with connection.lock:
            if self._headers_sent:
                raise RuntimeError("initial metadata has been sent already")
            if self.done:
                return
            self._headers_sent = True
            connection.h2.send_headers(self._stream, block)
        connection.flush()

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        self._trailing = metadata

    @property
    def long_lived(self) -> bool:
        return self._method.long_lived

    # --- the reactor's side -------------------------------------------------------------------

    def begin(self, now: float) -> bool:
        """Arm the deadline; False when it has passed already and the call was answered so."""
        method = self._method
        timeout = self._head.timeout
        if timeout is not None and method.enforce_deadline:
            self.deadline = now + timeout
            if timeout <= 0:
                self.on_expired(now)
                return False
            self._bucket = self._connection.reactor.deadlines.add(self, self.deadline)
        kind = method.kind
        if kind in _STREAMS_OUT:
            self._ready = threading.Event()
        if kind in _STREAMS_IN:
            self._requests = queue.SimpleQueue()
            self.dispatch()
        return True

    def dispatch(self) -> None:
        """Hand the call to a thread, or answer RESOURCE_EXHAUSTED if there is no room."""
        connection = self._connection
        method = self._method
        if method.cost_of is not None:
            cost = method.cost_of(self._message)  # type: ignore[arg-type]  # unary: it is there
            if cost is None:
                pass
            elif not cost.short:
                self._cost = cost
            elif connection.reactor.run_soon(self, connection.queue_limit):
                if not self._stream.id & _UNSAMPLED:
                    self._cost = cost
                return
        elif method.inline:
            self.run()
            return
        elif method.long_lived:
            if not connection.server.streams.submit(self):
                self.end(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"{connection.server.options.max_long_lived} long-lived calls are open, the "
                    "most this server keeps",
                )
            return
        if not connection.server.pool.submit(self):
            self.end(
                StatusCode.RESOURCE_EXHAUSTED,
                f"{connection.queue_limit} calls are waiting for a handler thread; try again later",
            )

    def on_data(self, data: bytes, flow_bytes: int, end_stream: bool) -> None:
        """A DATA frame of the request."""
        if self._requests is not None:
            self._on_streamed_data(data, flow_bytes, end_stream)
            return
        size = len(data)
        if (
            end_stream
            and self._assembler is None
            and PREFIX_BYTES <= size <= self._connection.max_small
            and _unpack_prefix(data) == (0, size - PREFIX_BYTES)
        ):
            self._message = data[PREFIX_BYTES:]
            self.dispatch()
        else:
            self._on_unary_part(data, flow_bytes, end_stream)

    def _on_streamed_data(self, data: bytes, flow_bytes: int, end_stream: bool) -> None:
        requests = self._requests
        assert requests is not None
        try:
            messages = self._assemble(data)
        except RpcError as exc:
            self.end(exc.code, exc.details)
            return
        connection = self._connection
        with connection.lock:
            for message in messages:
                requests.put(message)
            # What waits for the handler is not credited until it has been taken; a message that
            # is not complete must be, or one longer than the window could never be sent.
            if requests.empty():
                connection.h2.credit_stream(self._stream, flow_bytes)
            else:
                self._owed += flow_bytes
                connection.held += flow_bytes
        if end_stream:
            self.on_requests_end()

    def _on_unary_part(self, data: bytes, flow_bytes: int, end_stream: bool) -> None:
        """A request that does not come whole in one frame, or not in the common form."""
        connection = self._connection
        try:
            before = self._assembler.buffered if self._assembler is not None else 0
            for message in self._assemble(data):
                if self._message is not None:
                    raise RpcError(StatusCode.UNIMPLEMENTED, "more than one request message")
                self._message = message
            assert self._assembler is not None
            connection.assembling += self._assembler.buffered - before
            if connection.assembling > connection.server.max_assembling:
                raise RpcError(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"{connection.assembling} bytes of unfinished messages on this connection",
                )
        except RpcError as exc:
            self.end(exc.code, exc.details)
            return
        if end_stream:
            self.on_requests_end()
        else:
            with connection.lock:
                connection.h2.credit_stream(self._stream, flow_bytes)

    def _assemble(self, data: bytes) -> list[bytes]:
        assembler = self._assembler
        if assembler is None:
            limit = self._connection.server.options.max_receive_bytes
            assembler = self._assembler = Assembler(limit=limit, gzip=self._head.gzip_in)
        return assembler.feed(data)

    def on_requests_end(self) -> None:
        """The caller has sent everything."""
        if self.done:
            return
        if self._assembler is not None:
            try:
                self._assembler.finish()
            except RpcError as exc:
                self.end(exc.code, exc.details)
                return
        if self._requests is not None:
            self._requests.put(None)
        elif self._message is None:
            self.end(StatusCode.UNIMPLEMENTED, "the method needs one request message, none came")
        else:
            self.dispatch()

    def on_expired(self, now: float) -> None:
        self._abandon(StatusCode.DEADLINE_EXCEEDED, "deadline exceeded", tell=True)

    def on_cancelled(self, reason: str) -> None:
        """The caller reset the stream, or its connection is gone: there is nobody to tell."""
        self._abandon(StatusCode.CANCELLED, reason, tell=False)

    def abort(self, code: StatusCode, details: str) -> None:
        """The server gives the call up (forced shutdown)."""
        self._abandon(code, details, tell=True)

    def _abandon(self, code: StatusCode, details: str, *, tell: bool) -> None:
        if tell:
            ended = self.end(code, details, abandoned=code)
        else:
            with self._connection.lock:
                ended = not self.done
                if ended:
                    self.done = True
                    self._end_code = code
        if ended and not tell:
            self._after_end()

    # --- the handler's side -------------------------------------------------------------------

    def run(self) -> None:
        """Run the handler; on a handler thread, or on the reactor for an inline or short method."""
        if self.done:
            return
        deadline = self.deadline
        cost = self._cost
        started = monotonic() if deadline is not None or cost is not None else 0.0
        if deadline is not None and started >= deadline:
            self.on_expired(deadline)  # it never starts
            return
        method = self._method
        try:
            message = self._message
            if message is None:
                request: Any = RequestIterator(self)
            else:
                self._message = None
                try:
                    request = method.decode(message)
                except ValueError as exc:
                    raise _malformed(exc) from None
            result = method.handler(request, self)
            if self._ready is None:
                if deadline is not None and monotonic() >= deadline:
                    # A tool that looks at the clock itself may return before the reactor has.
                    self.on_expired(deadline)
                else:
                    self._respond(method.encode(result))
            else:
                self._send_all(result)
        except RpcError as exc:
            self.end(exc.code, exc.details, metadata=exc.trailing_metadata)
        except BaseException as exc:  # noqa: BLE001 - SystemExit in a handler ends its call only
            _log.exception("%s failed", method.path)
            self.end(StatusCode.UNKNOWN, f"{type(exc).__name__}: {exc}")
        if cost is not None:
            cost.record(monotonic() - started)

    @property
    def _gzip(self) -> bool:
        return self._head.gzip_out and self._connection.server.gzip

    def _respond(self, message: bytes) -> None:
        connection = self._connection
        size = len(message)
        if (
            size > connection.max_small_answer
            or self._headers_sent
            or self._trailing
            or self._requests is not None  # `end` asks a caller who still sends to stop
            or (self._head.gzip_out and connection.server.gzip)
        ):
            self._send_message(message)
            self.end(StatusCode.OK, "", metadata=self._trailing)
            return
        data = _pack_prefix(0, size) + message
        stream = self._stream
        with connection.lock:
            if self.done:
                return
            self.done = True
            connection.h2.send_response(stream, RESPONSE_HEAD, data, TRAILERS_OK)
        if not connection.reactor.flush_soon(connection):
            connection.flush()
        if self._bucket is None and self._callbacks is None and self._assembler is None:
            stream.app = None  # nothing else is left for `_after_end`
        else:
            self._after_end()

    def _send_all(self, result: Iterator[Any]) -> None:
        encode = self._method.encode
        try:
            for item in result:
                self._send_message(encode(item))
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        self.end(StatusCode.OK, "", metadata=self._trailing)

    def _send_message(self, message: bytes) -> None:
        """Send one message, first waiting until the caller has taken the one before."""
        connection = self._connection
        gzip = self._gzip
        data = frame(message, limit=connection.server.options.max_send_bytes, compress=gzip)
        if not self._headers_sent:
            with connection.lock:
                if not self.done:
                    self._headers_sent = True
                    connection.h2.send_headers(self._stream, response_head((), gzip=gzip))
        if not connection.send_message(self._stream, data, self, ready=self._ready):
            # The connection may be seen closed here before the reactor has told its calls.
            self.on_cancelled("connection lost")
            self.raise_if_cancelled()
            raise RpcError(StatusCode.CANCELLED, "the call has ended")

    def wake(self) -> None:
        """The caller's window has taken everything: a waiting `_send_message` goes on."""
        if self._ready is not None:
            self._ready.set()

    def take_request(self) -> bytes | None:
        """The next request message; None when the caller has sent all. Blocks."""
        requests = self._requests
        assert requests is not None
        item = requests.get()
        connection = self._connection
        due = False
        with connection.lock:
            owed = self._owed
            if owed and requests.empty() and not self.done:
                self._owed = 0
                due = connection.release(owed)
                connection.h2.credit_stream(self._stream, owed)
                chunks = connection.take_if_writer()
            else:
                chunks = ()
        if chunks:
            connection.write(chunks)
        if due:
            connection.reactor.call_soon(connection.credit_and_flush)
        if isinstance(item, RpcError):
            requests.put(item)  # for whoever asks again
            raise item
        if item is None:
            requests.put(None)
        return item

    def decode_request(self, message: bytes) -> Any:
        try:
            return self._method.decode(message)
        except ValueError as exc:
            raise _malformed(exc) from None

    # --- the end, whoever brings it -------------------------------------------------------------

    def end(
        self,
        code: StatusCode,
        details: str,
        *,
        metadata: Metadata = (),
        abandoned: StatusCode | None = None,
    ) -> bool:
        """Send the status; False when the call had ended already. Any thread."""
        try:
            block = trailers(code, details, metadata)
        except ValueError as exc:  # metadata that cannot be sent
            block = trailers(StatusCode.INTERNAL, str(exc), ())
        connection = self._connection
        stream = self._stream
        h2 = connection.h2
        with connection.lock:
            if self.done:
                return False
            self.done = True
            self._end_code = abandoned
            if connection.closed:
                pass
            elif stream.queued and abandoned is not None:
                h2.reset_stream(stream.id, ErrorCode.CANCEL)  # the status could not get past it
            elif self._headers_sent:
                h2.send_trailers(stream, block)
            else:
                h2.send_headers(stream, RESPONSE_HEAD + block, end_stream=True)  # Trailers-Only
            if not connection.closed and not stream.recv_closed and not stream.queued:
                # RFC 9113 section 8.1: a complete answer before the request's end; the caller is
                # asked to stop without an error.
                h2.reset_stream(stream.id, ErrorCode.NO_ERROR)
            chunks = connection.take_if_writer()
        if chunks:
            connection.write(chunks)
        self._after_end()
        return True

    def _after_end(self) -> None:
        """Let go of the deadline, wake whoever waits for the caller, run the callbacks."""
        if self._bucket is not None:
            self._bucket.discard(self)
            self._bucket = None
        if self._requests is None:
            if self._assembler is not None and self._assembler.buffered:
                # Its request never arrived whole, so no handler ran and this is the reactor.
                self._connection.assembling -= self._assembler.buffered
        else:
            self._requests.put(RpcError(self._end_code or StatusCode.CANCELLED, "call ended"))
            connection = self._connection
            with connection.lock:
                owed, self._owed = self._owed, 0
                due = connection.release(owed)
            if due:
                connection.reactor.call_soon(connection.credit_and_flush)
        if self._ready is not None:
            self._ready.set()
        # Call and stream, and call and context, would else keep each other until a collection.
        self._stream.app = None
        callbacks, self._callbacks = self._callbacks, None
        if callbacks is not None:
            for fn in callbacks:
                try:
                    fn()
                except Exception:  # noqa: BLE001 - one callback must not keep the others from running
                    _log.exception("done callback of %s failed", self._method.path)


def _malformed(exc: ValueError) -> RpcError:
    return RpcError(StatusCode.INTERNAL, f"request is malformed: {exc}")


class RequestIterator:
    """The requests of a client stream, in order; blocks for the next. One consumer at a time."""

    __slots__ = ("_call",)

    def __init__(self, call: ServerCall) -> None:
        self._call = call

    def __iter__(self) -> RequestIterator:
        return self

    def __next__(self) -> Any:
        message = self._call.take_request()
        if message is None:
            raise StopIteration
        return self._call.decode_request(message)
