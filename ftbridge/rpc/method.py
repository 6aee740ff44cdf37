"""What a transport serves: methods, the call a handler sees, and the server's options.

Both transports (ours and stock grpcio) serve the same table of `Method`; nothing here knows a
socket, so that services are written and tested without one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .cost import Cost
from .status import Metadata

MIB = 1 << 20

DEFAULT_MAX_MESSAGE_BYTES = 100 * MIB
"""Message limit in both directions; what the Elixir host and its stock workers use. gRPC's own
default of 4 MiB for receiving is too small for them (requests of 5 MB are seen in practice)."""

DEFAULT_QUEUE_LIMIT = 1024
"""Calls that may wait for a handler thread. At 10,000 small calls a second it is a tenth of a
second of waiting; past it an early refusal serves the caller better than a late answer."""


class MethodKind(enum.Enum):
    """The four kinds of call of gRPC."""

    UNARY = "unary"
    SERVER_STREAM = "server_stream"
    CLIENT_STREAM = "client_stream"
    BIDI = "bidi"


class Call(Protocol):
    """One call as its handler sees it. Safe to use from any thread."""

    @property
    def invocation_metadata(self) -> Metadata:
        """What the caller sent, without the headers that belong to gRPC itself."""

    @property
    def peer(self) -> str:
        """Address of the other end, ``ipv4:HOST:PORT`` or ``ipv6:[HOST]:PORT``."""

    @property
    def deadline(self) -> float | None:
        """When the caller stops waiting, on the clock of `time.monotonic`; None: never."""

    @property
    def cancelled(self) -> bool:
        """True once nobody waits for the answer: cancelled, past its deadline, connection lost."""

    def time_remaining(self) -> float | None:
        """Seconds until the deadline, never below 0; None without one."""

    def raise_if_cancelled(self) -> None:
        """Raise `RpcError` (CANCELLED or DEADLINE_EXCEEDED) if `cancelled`."""

    def add_done_callback(self, fn: Callable[[], None]) -> None:
        """Have ``fn`` called once when the call has ended; at once if it already has.

        It may run on a reactor thread and must not block.
        """

    def send_initial_metadata(self, metadata: Metadata) -> None:
        """Send the response headers now. Raises RuntimeError when they have been sent."""

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        """Metadata to send with the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One RPC of a service.

    Args:
        path: ``/package.Service/Name``.
        handler: ``handler(request, call)``; for `CLIENT_STREAM` and `BIDI` the first argument is
            an iterator of requests. Returns a response, or for streaming responses an iterator,
            whose ``close()`` is called when the call ends early.
        decode, encode: message from and to bytes. ``decode`` raises ValueError on bad input.
        inline: the reactor thread answers the call itself, so that it is answered however busy
            the handlers are. Such a handler must never block. Unary only.
        long_lived: the call stays open for as long as its client likes (a watch, a telemetry
            stream): it gets a thread of its own, so that it cannot use up the handlers.
        enforce_deadline: False for a stream that must outlive a caller's ``grpc-timeout``.
        cost_of: from a request message to what is known of the time such calls take, or None
            where nothing is to be known. Calls that prove short may be run by the reactor, which
            is quicker than to wake a handler; one that then blocks costs other calls at most a
            few milliseconds. Unary only.
    """

    path: str
    kind: MethodKind
    handler: Callable[[Any, Any], Any]
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    inline: bool = False
    long_lived: bool = False
    enforce_deadline: bool = True
    cost_of: Callable[[bytes], Cost | None] | None = None

    def __post_init__(self) -> None:
        if self.path.count("/") != 2 or not self.path.startswith("/"):
            raise ValueError(f"path {self.path!r} is not of the form '/package.Service/Method'")
        if self.inline and self.kind is not MethodKind.UNARY:
            raise ValueError(f"{self.path}: only a unary method can be answered inline")


type Compression = Literal["identity", "gzip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Bounds and sizes of a server.

    Args:
        threads: handler threads; 0 means the number of usable cores plus four, so that a few
            waiting tools do not idle a core.
        reactors: threads that own the sockets; 0 lets the server choose.
        queue_limit: calls that may wait for a handler; beyond it RESOURCE_EXHAUSTED at once.
        max_receive_bytes, max_send_bytes: limit of one message, after decompression.
        max_connections: connections beyond it are closed at accept.
        max_long_lived: open calls of `Method.long_lived`; beyond it RESOURCE_EXHAUSTED.
        handshake_timeout: seconds for the HTTP/2 preface to arrive.
        keepalive: seconds without a byte after which the peer is pinged; 0 turns it off.
        keepalive_timeout: seconds for that ping's answer before the connection is closed.
        stall_timeout: seconds that a peer may leave our output unread before it is closed.
        compression: how responses are sent to callers that accept it.
    """

    threads: int = 0
    reactors: int = 0
    queue_limit: int = DEFAULT_QUEUE_LIMIT
    max_receive_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    max_send_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    max_connections: int = 10_000
    max_long_lived: int = 64
    handshake_timeout: float = 10.0
    keepalive: float = 60.0
    keepalive_timeout: float = 20.0
    stall_timeout: float = 60.0
    compression: Compression = "identity"

    def __post_init__(self) -> None:
        for name in ("threads", "reactors"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} is negative; 0 means automatic")
        for name in ("queue_limit", "max_receive_bytes", "max_send_bytes", "max_connections"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


class ServerTransport(Protocol):
    """A running server, whichever transport is behind it."""

    def start(self) -> int:
        """Bind, listen and serve; returns the port. Raises OSError when it cannot bind."""

    def stop(self, grace: float) -> None:
        """Refuse new calls, let running ones finish for ``grace`` seconds, then cancel them.

        Blocks until everything is closed; safe to call more than once and from any thread.
        """

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the server has stopped; False when ``timeout`` seconds passed first."""
