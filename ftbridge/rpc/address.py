"""Addresses as people write them: ``host:port``, ``[v6]:port``, ``:port``, ``unix:/path``."""

from __future__ import annotations

import socket
from dataclasses import dataclass

_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect. ``port`` is 0 for a Unix socket, whose ``host`` is the path."""

    family: socket.AddressFamily
    host: str
    port: int

    @property
    def sockaddr(self) -> str | tuple[str, int]:
        return self.host if self.family == socket.AF_UNIX else (self.host, self.port)

    def __str__(self) -> str:
        if self.family == socket.AF_UNIX:
            return f"unix:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read an address.

    An empty host means every IPv4 address (to listen) or this machine (to connect).

    Raises:
        ValueError: naming the text and the forms that are understood.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if not path:
            raise ValueError(f"address {text!r} has no path; write unix:/path/to/socket")
        return Address(socket.AF_UNIX, path, 0)
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
        raise ValueError(
            f"address {text!r} is not HOST:PORT with a port from 0 to {_MAX_PORT}, nor unix:PATH"
        )
    if ":" in host and not bracketed:
        raise ValueError(f"address {text!r}: write an IPv6 host in brackets, [{host}]:{port}")
    host = host[1:-1] if bracketed else host
    if bracketed:
        return Address(socket.AF_INET6, host, int(port))
    return Address(socket.AF_INET, host or "0.0.0.0", int(port))


def format_peer(sock: socket.socket) -> str:
    """The other end as gRPC names it: ``ipv4:HOST:PORT``, ``ipv6:[HOST]:PORT``, ``unix:``."""
    if sock.family == socket.AF_UNIX:
        return "unix:"
    try:
        name = sock.getpeername()
    except OSError:
        return "unknown"
    if sock.family == socket.AF_INET6:
        return f"ipv6:[{name[0]}]:{name[1]}"
    return f"ipv4:{name[0]}:{name[1]}"
