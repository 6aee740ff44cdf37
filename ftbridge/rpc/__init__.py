"""gRPC on threads: a server and a channel, and the only sockets and threads of ftbridge.

`create_server` picks the transport. Services are tables of `Method` and know none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from .address import Address, parse_address
from .channel import Channel, ClientCall
from .method import Call, Method, MethodKind, ServerOptions, ServerTransport
from .server import NativeServer
from .status import Metadata, RpcError, StatusCode

type TransportName = Literal["auto", "native", "grpcio"]


def create_server(
    methods: Sequence[Method],
    *,
    listen: str = "127.0.0.1:0",
    options: ServerOptions | None = None,
    transport: TransportName = "auto",
    allow_gil: bool = False,
    on_leave: Callable[[], object] | None = None,
) -> ServerTransport:
    """A server for ``methods``, not started.

    Args:
        listen: see `parse_address`; port 0 takes a free one.
        transport: ``native`` is ours, ``grpcio`` the stock one where it is installed; ``auto``
            is native.
        allow_gil: let grpcio switch the GIL on where it has to.
        on_leave: called on each handler thread before it ends; must not raise. Stock grpcio has
            no such moment: there it is never called.

    Raises:
        ValueError: unknown transport or bad address.
        RuntimeError: grpcio asked for but not usable here.
    """
    options = options or ServerOptions()
    if transport in ("auto", "native"):
        return NativeServer(methods, listen=listen, options=options, on_leave=on_leave)
    if transport != "grpcio":
        raise ValueError(f"transport {transport!r} is not one of auto, native, grpcio")
    from .grpcio_transport import GrpcioServer

    return GrpcioServer(methods, listen=listen, options=options, allow_gil=allow_gil)


__all__ = [
    "Address",
    "Call",
    "Channel",
    "ClientCall",
    "Metadata",
    "Method",
    "MethodKind",
    "NativeServer",
    "RpcError",
    "ServerOptions",
    "ServerTransport",
    "StatusCode",
    "TransportName",
    "create_server",
    "parse_address",
]
