"""The native transport's server: listener, connections, and an orderly end.

A few reactors own the sockets; handler threads run methods; nothing on a call's way is shared by
two connections but the queue between the two. Draining follows RFC 9113 section 6.8: a GOAWAY
that announces the end, and, once the peer has certainly seen it, one that names the last stream.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

from ftbridge.http2 import (
    Connection,
    DataReceived,
    ErrorCode,
    HeadersReceived,
    Limits,
    RequestReceived,
    Stream,
    TrailersReceived,
)

from .address import Address, format_peer, parse_address
from .call import SMALL_MESSAGE, ServerCall
from .endpoint import Endpoint
from .framing import PREFIX_BYTES
from .head import RequestHead, parse_request
from .method import Method, ServerOptions
from .pool import ElasticPool, HandlerPool, default_threads
from .reactor import READ, Reactor
from .status import StatusCode

_log = logging.getLogger("ftbridge.rpc")

_BACKLOG = 1024
_ACCEPTS_PER_TURN = 64  # so that a burst of connections does not hold up the open ones
_DRAIN_PING = b"draining"
_DRAIN_PING_SECONDS = 1.0  # for the answer; a peer that is slower sees the final GOAWAY late
_UNWIND = 0.5  # seconds for handlers whose calls were given up to notice and return
_MAX_STREAM_ID = 2**31 - 1
_CORES_PER_REACTOR = 4


class ServerConnection(Endpoint):
    """One client's connection."""

    def __init__(self, server: NativeServer, sock: socket.socket, reactor: Reactor) -> None:
        super().__init__(sock, Connection(limits=server.limits, whole_requests=True), reactor)
        self.server = server
        self.peer = format_peer(sock)
        self.assembling = 0  # bytes of request messages that are not complete; the reactor's
        self.max_small = server.max_small
        self.max_small_answer = server.max_small_answer
        self.queue_limit = server.options.queue_limit
        self._opened_at = 0.0
        self._drain_deadline: float | None = None

    def __repr__(self) -> str:
        return f"<ServerConnection {self.peer} streams={len(self.h2.streams)}>"

    def open(self, now: float) -> None:
        self._opened_at = now
        super().open(now)

    def credit_and_flush(self) -> None:
        self.credit()
        self.flush()

    # --- streams ------------------------------------------------------------------------------

    def on_headers(self, event: HeadersReceived, now: float) -> None:
        stream, headers, ended = event
        head: RequestHead | None = headers.memo  # type: ignore[assignment]  # nobody else's
        if head is None:
            head = headers.memo = parse_request(headers, self.server.methods)
        method = head.method
        if method is None:
            self._refuse(stream, head.refusal or b"", ended)
            return
        call = ServerCall(self, stream, head, method)
        stream.app = call
        if (head.is_simple or call.begin(now)) and ended:
            call.on_requests_end()

    def on_request(self, event: RequestReceived, now: float) -> None:
        stream, headers, data, flow_bytes = event
        head: RequestHead | None = headers.memo  # type: ignore[assignment]  # nobody else's
        if head is None or head.method is None:
            self.on_headers(HeadersReceived(stream, headers, False), now)
            self.on_data(DataReceived(stream, data, flow_bytes, True), now)
            return
        call = ServerCall(self, stream, head, head.method)
        stream.app = call
        if head.is_simple or call.begin(now):
            call.on_data(data, flow_bytes, True)

    def on_data(self, event: DataReceived, now: float) -> None:
        stream, data, flow_bytes, ended = event
        call: ServerCall | None = stream.app
        if call is not None and not call.done:
            call.on_data(data, flow_bytes, ended)

    def on_trailers(self, event: TrailersReceived, now: float) -> None:
        call = event.stream.app
        if call is not None:
            call.on_requests_end()

    def on_stream_ended(self, stream: Stream, code: int, reason: str) -> None:
        call = stream.app
        if call is not None:
            call.on_cancelled(reason)

    def on_drained(self, stream: Stream) -> None:
        call = stream.app
        if call is not None:
            call.wake()

    def on_lost(self, reason: str) -> None:
        self.server.connections.discard(self)
        for stream in list(self.h2.streams.values()):
            self.on_stream_ended(stream, ErrorCode.NO_ERROR, reason)

    def _refuse(self, stream: Stream, block: bytes, ended: bool) -> None:
        with self.lock:
            self.h2.send_headers(stream, block, end_stream=True)
            if not ended:
                self.h2.reset_stream(stream.id, ErrorCode.NO_ERROR)

    # --- time and the end -----------------------------------------------------------------------

    def tick(self, now: float) -> None:
        options = self.server.options
        if not self.greeted and now - self._opened_at > options.handshake_timeout:
            self.close(f"no HTTP/2 preface within {options.handshake_timeout:g} s")
            return
        if self._drain_deadline is not None and now >= self._drain_deadline:
            self._finish_drain()
        self.on_tick(
            now,
            keepalive=options.keepalive,
            keepalive_timeout=options.keepalive_timeout,
            stall=options.stall_timeout,
        )

    def drain(self, now: float) -> None:
        """Announce the end; calls that are on their way are still served."""
        self._drain_deadline = now + _DRAIN_PING_SECONDS
        with self.lock:
            self.h2.goaway(ErrorCode.NO_ERROR, b"server is stopping", _MAX_STREAM_ID)
            self.h2.ping(_DRAIN_PING)
        for stream in list(self.h2.streams.values()):
            call = stream.app
            if call is not None and call.long_lived:
                call.abort(StatusCode.UNAVAILABLE, "server is stopping")
        self.flush()

    def on_ping_ack(self, payload: bytes) -> None:
        if payload == _DRAIN_PING:
            self._finish_drain()

    def _finish_drain(self) -> None:
        if self._drain_deadline is None or self.closed:
            return
        self._drain_deadline = None
        with self.lock:
            self.h2.goaway(ErrorCode.NO_ERROR, b"server is stopping")
        self.flush()

    def abort_all(self, reason: str) -> None:
        """Give up every call, telling the callers."""
        for stream in list(self.h2.streams.values()):
            call = stream.app
            if call is not None:
                call.abort(StatusCode.UNAVAILABLE, reason)


class _Listener:
    """Accepts connections on the first reactor and deals them out to all."""

    def __init__(self, server: NativeServer, sock: socket.socket) -> None:
        self._server = server
        self.sock = sock

    def fileno(self) -> int:
        return self.sock.fileno()

    def on_ready(self, mask: int, now: float) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, _ = self.sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                if exc.errno in (errno.EMFILE, errno.ENFILE):
                    self._server.pause_accepting(now)
                else:
                    _log.warning("accept failed: %s", exc)
                return
            self._server.adopt(sock)


class _AcceptAgain:
    """Timer that ends a pause in accepting."""

    def __init__(self, server: NativeServer) -> None:
        self._server = server

    def on_expired(self, now: float) -> None:
        self._server.resume_accepting()


class NativeServer:
    """gRPC over HTTP/2 (prior knowledge, no TLS) on threads of our own.

    Args:
        methods: the table to serve. listen: see `parse_address`.
        on_leave: called on each handler thread before it ends; must not raise.
    """

    def __init__(
        self,
        methods: Sequence[Method],
        *,
        listen: str,
        options: ServerOptions,
        on_leave: Callable[[], object] | None = None,
    ) -> None:
        self.address = parse_address(listen)
        self.options = options
        self.limits = Limits()
        self.methods = {method.path.encode(): method for method in methods}
        if len(self.methods) != len(methods):
            raise ValueError("two methods have the same path")
        self.gzip = options.compression == "gzip"
        # Bytes of a whole request, prefix included, that needs no assembling.
        self.max_small = min(SMALL_MESSAGE, PREFIX_BYTES + options.max_receive_bytes)
        # Bytes of an answer that takes the short way.
        self.max_small_answer = min(SMALL_MESSAGE, options.max_send_bytes)
        self.max_assembling = 2 * options.max_receive_bytes
        self.pool = HandlerPool(
            threads=options.threads or default_threads(),
            limit=options.queue_limit,
            on_leave=on_leave,
        )
        self.streams = ElasticPool(limit=options.max_long_lived)
        cores = os.process_cpu_count() or 1
        count = options.reactors or _reactors_for(cores)
        self._reactors = [
            Reactor(name=f"ftbridge-reactor-{n}", tick=self.tick, pool=self.pool, on_leave=on_leave)
            for n in range(count)
        ]
        self._next_reactor = 0
        self.connections: set[ServerConnection] = set()
        self._listener: _Listener | None = None
        self._stop_lock = threading.Lock()
        self._stopping = False
        self._stop_due = 0.0  # monotonic seconds at which waiting for calls ends
        self._listener_closed = threading.Event()
        self._stopped = threading.Event()

    def start(self) -> int:
        sock = _listen(self.address)
        port = 0 if self.address.family == socket.AF_UNIX else int(sock.getsockname()[1])
        self._listener = _Listener(self, sock)
        self.pool.start()
        for reactor in self._reactors:
            reactor.start()
        self._reactors[0].call_soon(self._reactors[0].watch, self._listener, READ)
        return port

    def wait(self, timeout: float | None = None) -> bool:
        return self._stopped.wait(timeout)

    def stop(self, grace: float) -> None:
        due = time.monotonic() + grace
        with self._stop_lock:
            first = not self._stopping
            self._stopping = True
            # A later call may only shorten the time that an earlier one gave.
            self._stop_due = due if first else min(due, self._stop_due)
        if not first:
            self._stopped.wait()
            return
        self._reactors[0].call_soon(self._close_listener)
        # Connections are adopted on that reactor only: after this there are no new ones.
        self._listener_closed.wait(_DRAIN_PING_SECONDS)
        for connection in list(self.connections):
            connection.reactor.call_soon(connection.drain, time.monotonic())
        self._wait_until(self._idle)
        for connection in list(self.connections):
            connection.reactor.call_soon(
                connection.abort_all, "server stopped before the call ended"
            )
        # What has been sent must leave before the sockets are closed.
        self._wait_until(self._flushed, at_least=_DRAIN_PING_SECONDS)
        for connection in list(self.connections):
            connection.reactor.call_soon(connection.close, "server stopped")
        self._wait_until(lambda: not self.connections, at_least=_DRAIN_PING_SECONDS)
        self._wait_until(self._unwound, at_least=_UNWIND)
        if not self.pool.stop(_UNWIND if not self.pool.busy else 0.0):
            _log.warning("%d handler threads still run; they are left behind", self.pool.busy)
        for reactor in self._reactors:
            reactor.stop()
        self._stopped.set()

    # --- used by listener and connections -------------------------------------------------------

    def adopt(self, sock: socket.socket) -> None:
        """Serve an accepted socket."""
        if len(self.connections) >= self.options.max_connections:
            _log.warning("closing a connection: %d are open", len(self.connections))
            sock.close()
            return
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._next_reactor = (self._next_reactor + 1) % len(self._reactors)
        reactor = self._reactors[self._next_reactor]
        connection = ServerConnection(self, sock, reactor)
        self.connections.add(connection)
        reactor.call_soon(connection.open, time.monotonic())

    def pause_accepting(self, now: float) -> None:
        """Out of file descriptors: leave the backlog to the kernel for a moment."""
        listener = self._listener
        if listener is not None:
            _log.warning("out of file descriptors; not accepting for 0.1 s (see ulimit -n)")
            reactor = self._reactors[0]
            reactor.rearm(listener, 0)
            reactor.deadlines.add(_AcceptAgain(self), now + 0.1)

    def resume_accepting(self) -> None:
        if self._listener is not None:
            self._reactors[0].rearm(self._listener, READ)

    def tick(self, reactor: Reactor, now: float) -> None:
        """Once a second on each reactor: time out what is idle among its connections."""
        for connection in list(self.connections):
            if connection.reactor is reactor:
                connection.tick(now)

    # --- private --------------------------------------------------------------------------------

    def _close_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            self._listener_closed.set()
            return
        self._reactors[0].forget(listener)
        listener.sock.close()
        if self.address.family == socket.AF_UNIX:
            try:
                os.unlink(self.address.host)  # noqa: PTH108 - an address, not a path object
            except OSError:
                pass
        self._listener_closed.set()

    def _idle(self) -> bool:
        return (
            not any(connection.h2.streams for connection in list(self.connections))
            and not self.pool.busy
            and not self.pool.waiting
        )

    def _unwound(self) -> bool:
        """Whether no thread runs a method any more."""
        short = sum(reactor.busy for reactor in self._reactors)
        return not short and not self.streams.busy and not self.pool.busy

    def _flushed(self) -> bool:
        return not any(connection.unsent_bytes for connection in list(self.connections))

    def _wait_until(self, condition: Callable[[], bool], *, at_least: float = 0.0) -> None:
        """Wait as long as `stop` allows, which a later call may shorten, but ``at_least`` s."""
        floor = time.monotonic() + at_least
        while not condition() and time.monotonic() < max(floor, self._stop_due):
            self._stopped.wait(0.01)  # nothing sets it yet: a short, interruptible pause


def _reactors_for(cores: int) -> int:
    """Two where two cores can run them: what one connection's calls touch stays on one core.

    With the GIL they would take turns.
    """
    if sys._is_gil_enabled():
        return 1
    return max(min(2, cores), cores // _CORES_PER_REACTOR)


def _listen(address: Address) -> socket.socket:
    """A listening socket. Raises OSError that names the address."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        if address.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.family == socket.AF_INET6:
            # [::] serves IPv4 callers too, as grpc's servers do.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address.sockaddr)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as exc:
        sock.close()
        raise OSError(
            exc.errno, f"cannot listen on {address}: {os.strerror(exc.errno or 0)}"
        ) from exc
    return sock
