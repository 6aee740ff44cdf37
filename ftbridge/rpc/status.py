"""gRPC status codes and the one exception that carries them.

The wire form of a status is the pair of trailers ``grpc-status`` and ``grpc-message``
(gRPC over HTTP/2, "Responses"). This module turns a status into those trailers and back and
must never import sockets or threads: both ends of a call and both transports use it.
"""

from __future__ import annotations

import enum
from urllib.parse import unquote_to_bytes

type Metadata = tuple[tuple[str, str | bytes], ...]
"""Call metadata in order: lower-case keys; keys ending in ``-bin`` carry bytes, others ASCII."""

MAX_STATUS_MESSAGE_BYTES = 4096
"""Encoded length at which ``grpc-message`` is cut. The gRPC specification asks servers to stay
below 8 KiB of metadata and stock clients refuse from 8 to 16 KiB; half of the smaller bound
leaves room for the application's own trailers."""

_ELLIPSIS = "... (cut)"


class StatusCode(enum.IntEnum):
    """Status codes with their numbers on the wire (grpc/doc/statuscodes.md)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """A call ended, or is to end, with a status other than OK.

    Raise it in a handler to end the call with ``code`` and ``details``; a channel raises it when
    the peer answered so or could not be reached.

    Args:
        code: the status; ``OK`` is refused, since an error cannot be a success.
        details: human-readable reason; on the wire it is percent-encoded and cut at
            `MAX_STATUS_MESSAGE_BYTES`.
        trailing_metadata: sent, or received, beside the status.
    """

    def __init__(
        self, code: StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> None:
        if code == StatusCode.OK:
            raise ValueError("RpcError needs a failing status; return a response instead of OK")
        super().__init__(code, details)
        self.code = code
        self.details = details
        self.trailing_metadata = trailing_metadata

    def __str__(self) -> str:
        return f"{self.code.name}: {self.details}" if self.details else self.code.name


# Percent-Byte-Unencoded of the gRPC over HTTP/2 specification: %x20-%x24 and %x26-%x7E.
_ENCODED = tuple(
    bytes((b,)) if 0x20 <= b <= 0x7E and b != 0x25 else b"%%%02X" % b for b in range(256)
)


def encode_message(details: str) -> bytes:
    """Percent-encode a status message, cut between characters to `MAX_STATUS_MESSAGE_BYTES`."""
    out = bytearray()
    limit = MAX_STATUS_MESSAGE_BYTES - len(_ELLIPSIS)
    for char in details[: MAX_STATUS_MESSAGE_BYTES + 1]:
        # A lone surrogate has no UTF-8 form; a question mark keeps the rest of the message.
        encoded = b"".join([_ENCODED[b] for b in char.encode("utf-8", "replace")])
        if len(out) + len(encoded) > limit:
            return bytes(out) + _ELLIPSIS.encode()
        out += encoded
    return bytes(out)


def decode_message(raw: bytes) -> str:
    """Decode ``grpc-message``; malformed escapes stay as they are, as the specification asks."""
    return unquote_to_bytes(raw).decode("utf-8", "replace")


def decode_status(raw: bytes) -> StatusCode:
    """The code behind ``grpc-status``; UNKNOWN for a number or text this version does not know."""
    try:
        return StatusCode(int(raw))
    except ValueError:
        return StatusCode.UNKNOWN


# gRPC over HTTP/2, "HTTP-Status to gRPC status mapping": what a proxy's bare answer means.
_HTTP_STATUS = {
    b"400": StatusCode.INTERNAL,
    b"401": StatusCode.UNAUTHENTICATED,
    b"403": StatusCode.PERMISSION_DENIED,
    b"404": StatusCode.UNIMPLEMENTED,
    b"429": StatusCode.UNAVAILABLE,
    b"502": StatusCode.UNAVAILABLE,
    b"503": StatusCode.UNAVAILABLE,
    b"504": StatusCode.UNAVAILABLE,
}


def status_of_http(status: bytes) -> StatusCode:
    """The gRPC status of a response that carries only an HTTP status."""
    return _HTTP_STATUS.get(status, StatusCode.UNKNOWN)


# grpc/doc/PROTOCOL-HTTP2.md, "Errors": what a RST_STREAM without trailers means to a client.
_RESET_STATUS = {
    0x7: StatusCode.UNAVAILABLE,  # REFUSED_STREAM: not processed, may be retried
    0x8: StatusCode.CANCELLED,
    0xB: StatusCode.RESOURCE_EXHAUSTED,  # ENHANCE_YOUR_CALM
    0xC: StatusCode.PERMISSION_DENIED,  # INADEQUATE_SECURITY
}


def status_of_reset(code: int) -> StatusCode:
    """The gRPC status of a stream that the peer reset with HTTP/2 error ``code``."""
    return _RESET_STATUS.get(code, StatusCode.INTERNAL)
