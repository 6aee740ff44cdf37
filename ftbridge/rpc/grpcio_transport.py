"""The second transport: the same table of methods behind stock ``grpc.server``.

For GIL builds, for free-threaded builds of grpcio, and as the yardstick that the native transport
is measured against. grpcio is imported when a server is made, never before: importing it on a
free-threaded interpreter switches the GIL on unless the wheel declares otherwise.

What differs from the native transport, because grpc's core decides it: `Method.enforce_deadline`
cannot be switched off, ``max_connections`` and ``stall_timeout`` have no counterpart, and handler
threads that a stuck tool occupies keep the process from ending.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote

from .address import parse_address
from .method import Method, MethodKind, ServerOptions
from .pool import default_threads
from .status import Metadata, RpcError, StatusCode, decode_message, encode_message

_log = logging.getLogger("ftbridge.rpc")

INLINE_THREADS = 2
"""Threads kept for methods that must be answered however busy the handlers are. They never block,
so the second one is for the case that the first was just suspended."""

_PROBE_SECONDS = 60.0
"""Importing grpcio takes under a second; a cold disk may need many."""

_NO_DEADLINE_SECONDS = 10 * 365 * 86400.0
"""grpc reports a call without a deadline as one that is centuries away."""

_STREAMS_IN = frozenset({MethodKind.CLIENT_STREAM, MethodKind.BIDI})
_STREAMS_OUT = frozenset({MethodKind.SERVER_STREAM, MethodKind.BIDI})


class GrpcioServer:
    """A `ServerTransport` on stock grpcio.

    Args:
        methods: the table to serve. listen: see `parse_address`.
        allow_gil: import grpcio even where that switches the GIL on.

    Raises:
        ValueError: bad address, or two methods with one path.
        RuntimeError: grpcio is not installed, or would switch the GIL on.
    """

    def __init__(
        self,
        methods: Sequence[Method],
        *,
        listen: str,
        options: ServerOptions,
        allow_gil: bool = False,
    ) -> None:
        self.address = parse_address(listen)
        self.options = options
        if len({method.path for method in methods}) != len(methods):
            raise ValueError("two methods have the same path")
        grpc = load_grpc(allow_gil=allow_gil)
        threads = options.threads or default_threads()
        self._handlers = ThreadPoolExecutor(threads, "ftbridge-handler")
        self._inline = ThreadPoolExecutor(INLINE_THREADS, "ftbridge-inline")
        # A refusal has to come from a thread that is free; one more than may be open does it.
        self._long_lived = ThreadPoolExecutor(options.max_long_lived + 1, "ftbridge-stream")
        self._open_long_lived = 0
        self._open_lock = threading.Lock()
        table = _Table(self, grpc, methods)
        compression = grpc.Compression.Gzip if options.compression == "gzip" else None
        self._server = grpc.server(
            self._handlers,
            handlers=(table,),
            options=_channel_arguments(options),
            compression=compression,
        )
        self._stop_lock = threading.Lock()
        self._stopping = False
        self._stopped = threading.Event()

    def start(self) -> int:
        try:
            port = int(self._server.add_insecure_port(str(self.address)))
        except RuntimeError as exc:
            raise OSError(f"cannot listen on {self.address}: {exc}") from exc
        if not port:
            raise OSError(f"cannot listen on {self.address}")
        self._server.start()
        return 0 if self.address.family == socket.AF_UNIX else port

    def wait(self, timeout: float | None = None) -> bool:
        return self._stopped.wait(timeout)

    def stop(self, grace: float) -> None:
        with self._stop_lock:
            first = not self._stopping
            self._stopping = True
        # grpcio takes a second stop with a shorter grace, which cancels that much earlier.
        self._server.stop(grace).wait()
        if not first:
            self._stopped.wait()
            return
        for pool in (self._handlers, self._inline, self._long_lived):
            pool.shutdown(wait=False, cancel_futures=True)
        self._stopped.set()

    # --- used by the behaviours -----------------------------------------------------------------

    @property
    def overloaded(self) -> bool:
        """Whether as many calls wait for a handler thread as may."""
        return self._handlers._work_queue.qsize() >= self.options.queue_limit

    def pool_for(self, method: Method) -> ThreadPoolExecutor | None:
        """Where a method runs, if not on the handler threads."""
        if method.inline:
            return self._inline
        return self._long_lived if method.long_lived else None

    @property
    def inline_pool(self) -> ThreadPoolExecutor:
        return self._inline

    def enter_long_lived(self) -> None:
        """Count an open long-lived call. Raises `RpcError` when there are enough."""
        with self._open_lock:
            if self._open_long_lived >= self.options.max_long_lived:
                raise RpcError(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"{self.options.max_long_lived} long-lived calls are open, the most this "
                    "server keeps",
                )
            self._open_long_lived += 1

    def leave_long_lived(self) -> None:
        with self._open_lock:
            self._open_long_lived -= 1


class GrpcioCall:
    """A `Call` over grpcio's own context."""

    __slots__ = ("_context", "deadline")

    def __init__(self, context: Any, method: Method) -> None:
        self._context = context
        remaining = context.time_remaining() if method.enforce_deadline else None
        if remaining is None or not math.isfinite(remaining) or remaining > _NO_DEADLINE_SECONDS:
            self.deadline: float | None = None
        else:
            self.deadline = time.monotonic() + remaining

    @property
    def invocation_metadata(self) -> Metadata:
        return tuple([(key, value) for key, value in self._context.invocation_metadata() or ()])

    @property
    def peer(self) -> str:
        return unquote(self._context.peer())

    @property
    def cancelled(self) -> bool:
        return not self._context.is_active()

    def time_remaining(self) -> float | None:
        deadline = self.deadline
        return None if deadline is None else max(0.0, deadline - time.monotonic())

    def raise_if_cancelled(self) -> None:
        if self.cancelled:
            expired = self.deadline is not None and time.monotonic() >= self.deadline
            code = StatusCode.DEADLINE_EXCEEDED if expired else StatusCode.CANCELLED
            raise RpcError(code, "the call has ended; nobody waits for its result")

    def add_done_callback(self, fn: Callable[[], None]) -> None:
        if not self._context.add_callback(fn):
            fn()

    def send_initial_metadata(self, metadata: Metadata) -> None:
        if self.cancelled:
            return
        try:
            self._context.send_initial_metadata(metadata)
        except ValueError:
            raise RuntimeError("initial metadata has been sent already") from None

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        self._context.set_trailing_metadata(metadata)


class _Behaviour:
    """What grpcio calls for one method: bytes in, bytes out.

    ``experimental_thread_pool`` is where grpcio looks for a pool of the method's own.
    """

    __slots__ = ("_codes", "_method", "_server", "experimental_thread_pool")

    def __init__(self, server: GrpcioServer, grpc: Any, method: Method) -> None:
        self._server = server
        self._method = method
        self._codes = {code: grpc.StatusCode[code.name] for code in StatusCode}
        self.experimental_thread_pool = server.pool_for(method)

    def _request(self, raw: Any) -> Any:
        if self._method.kind in _STREAMS_IN:
            return _Requests(raw, self._method)
        return _decode(self._method, raw)

    def _encode(self, item: Any) -> bytes:
        message = self._method.encode(item)
        limit = self._server.options.max_send_bytes
        if len(message) > limit:
            raise RpcError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"response of {len(message)} bytes is above the limit of {limit}",
            )
        return message

    def _abort(self, context: Any, error: BaseException) -> None:
        """End the call with the error's status; always raises, which is how grpcio wants it."""
        if isinstance(error, RpcError):
            code, details = error.code, error.details
            if error.trailing_metadata:
                context.set_trailing_metadata(error.trailing_metadata)
        else:
            _log.error("%s failed", self._method.path, exc_info=error)
            code, details = StatusCode.UNKNOWN, f"{type(error).__name__}: {error}"
        # Cut as the native transport cuts it, or a long text becomes a metadata error.
        context.abort(self._codes[code], decode_message(encode_message(details)))


class _UnaryBehaviour(_Behaviour):
    """One response."""

    __slots__ = ()

    def __call__(self, raw: Any, context: Any) -> bytes | None:
        try:
            call = GrpcioCall(context, self._method)
            call.raise_if_cancelled()
            return self._encode(self._method.handler(self._request(raw), call))
        except BaseException as error:  # noqa: BLE001 - SystemExit in a handler ends its call only
            self._abort(context, error)
            return None


class _StreamBehaviour(_Behaviour):
    """A stream of responses.

    grpcio drops the iterator when the caller goes, without closing it: being a generator whose
    last reference that was, it closes itself then, and the handler's iterator with it.
    """

    __slots__ = ()

    def __call__(self, raw: Any, context: Any) -> Iterator[bytes]:
        counted = False
        responses: Any = None
        try:
            if self._method.long_lived:
                self._server.enter_long_lived()
                counted = True
            call = GrpcioCall(context, self._method)
            call.raise_if_cancelled()
            responses = self._method.handler(self._request(raw), call)
            for item in responses:
                yield self._encode(item)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            self._abort(context, error)
        finally:
            close = getattr(responses, "close", None)
            if close is not None:
                close()
            if counted:
                self._server.leave_long_lived()


class _Refusal:
    """Answers a call that there is no room for, from a thread that is never busy."""

    __slots__ = ("_code", "_details", "experimental_thread_pool")

    def __init__(self, server: GrpcioServer, grpc: Any) -> None:
        self._code = grpc.StatusCode.RESOURCE_EXHAUSTED
        self._details = (
            f"{server.options.queue_limit} calls are waiting for a handler thread; try again later"
        )
        self.experimental_thread_pool = server.inline_pool

    def __call__(self, raw: Any, context: Any) -> None:
        context.abort(self._code, self._details)


class _Requests:
    """The requests of a client stream, decoded."""

    __slots__ = ("_method", "_raw")

    def __init__(self, raw: Any, method: Method) -> None:
        self._raw = raw
        self._method = method

    def __iter__(self) -> _Requests:
        return self

    def __next__(self) -> Any:
        try:
            raw = next(self._raw)
        except StopIteration:
            raise
        except Exception as gone:  # grpcio's own, which handlers do not know
            raise RpcError(StatusCode.CANCELLED, "the call has ended") from gone
        return _decode(self._method, raw)


class _Table:
    """Finds the handler of a call; grpcio asks before it queues the call."""

    def __init__(self, server: GrpcioServer, grpc: Any, methods: Sequence[Method]) -> None:
        self._server = server
        self._methods: dict[str, tuple[Any, Any]] = {}
        refusal = _Refusal(server, grpc)
        for method in methods:
            handler = _handler_of(grpc, method.kind)
            streams = method.kind in _STREAMS_OUT
            behaviour = (_StreamBehaviour if streams else _UnaryBehaviour)(server, grpc, method)
            # The refusal answers where a call would be queued; no pool of one's own, no queue.
            refused = None if behaviour.experimental_thread_pool else handler(refusal)
            self._methods[method.path] = handler(behaviour), refused

    def service(self, call_details: Any) -> Any:
        """The handler for a path, or None, which grpcio answers with UNIMPLEMENTED."""
        handler, refused = self._methods.get(call_details.method, (None, None))
        if refused is not None and self._server.overloaded:
            return refused
        return handler


def load_grpc(*, allow_gil: bool, switches_gil_on: Callable[[], bool] | None = None) -> Any:
    """Import grpcio, unless it is missing or would switch the GIL on without permission.

    Args:
        allow_gil: import it all the same.
        switches_gil_on: asked on a free-threaded interpreter with the GIL off; the default tries
            the import in a process of its own.

    Raises:
        RuntimeError: says which of the two it is, and the ways out.
    """
    if find_spec("grpc") is None:
        raise RuntimeError(
            "transport grpcio: the package grpcio is not installed for this interpreter; "
            "install ftbridge[grpcio], or use the native transport"
        )
    if not allow_gil and "grpc" not in sys.modules and _can_lose_gil_freedom():
        probe = switches_gil_on or _import_switches_gil_on
        if probe():
            raise RuntimeError(
                "transport grpcio: importing grpcio would switch the GIL on, and tools would run "
                "one at a time. Use the native transport, or a grpcio built for free-threaded "
                "Python, or pass --allow-gil"
            )
    import grpc

    return grpc


def _can_lose_gil_freedom() -> bool:
    """A free-threaded build, GIL off, and not forced to stay off by ``-X gil=0``."""
    return (
        bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
        and not sys._is_gil_enabled()
        and getattr(sys.flags, "gil", None) != 0
    )


def _import_switches_gil_on() -> bool:
    """Try it in another process: an import cannot be taken back."""
    code = "import sys, grpc; sys.exit(3 if sys._is_gil_enabled() else 0)"
    # The same modules have to be found: what this process added to sys.path goes along.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RuntimeError(f"transport grpcio: trying to import grpcio failed: {exc}") from exc
    if done.returncode in (0, 3):
        return done.returncode == 3
    reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    raise RuntimeError(f"transport grpcio: grpcio cannot be imported: {reason}")


def _decode(method: Method, raw: bytes) -> Any:
    try:
        return method.decode(raw)
    except ValueError as exc:
        raise RpcError(StatusCode.INTERNAL, f"request is malformed: {exc}") from None


def _handler_of(grpc: Any, kind: MethodKind) -> Any:
    # Without serializers grpcio passes bytes through: the codec is ours.
    return {
        MethodKind.UNARY: grpc.unary_unary_rpc_method_handler,
        MethodKind.SERVER_STREAM: grpc.unary_stream_rpc_method_handler,
        MethodKind.CLIENT_STREAM: grpc.stream_unary_rpc_method_handler,
        MethodKind.BIDI: grpc.stream_stream_rpc_method_handler,
    }[kind]


def _channel_arguments(options: ServerOptions) -> tuple[tuple[str, int], ...]:
    """grpc core's names for our options (grpc/impl/channel_arg_names.h)."""
    arguments = [
        ("grpc.max_receive_message_length", options.max_receive_bytes),
        ("grpc.max_send_message_length", options.max_send_bytes),
        # Two servers on one port would share its calls at random.
        ("grpc.so_reuseport", 0),
        ("grpc.server_handshake_timeout_ms", _milliseconds(options.handshake_timeout)),
    ]
    if options.keepalive:
        arguments += [
            ("grpc.keepalive_time_ms", _milliseconds(options.keepalive)),
            ("grpc.keepalive_timeout_ms", _milliseconds(options.keepalive_timeout)),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
    return tuple(arguments)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
