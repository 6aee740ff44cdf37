"""Between HTTP/2 header fields and gRPC metadata, both ways.

"Custom-Metadata" and "Timeout" of the gRPC over HTTP/2 specification. Pure functions over bytes:
no sockets, no calls.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from .status import Metadata

type Fields = Iterable[tuple[bytes, bytes]]

# Headers that belong to gRPC or HTTP/2 and are not shown to, nor taken from, the application.
_RESERVED = frozenset(
    {
        b"te",
        b"content-type",
        b"content-length",
        b"grpc-timeout",
        b"grpc-encoding",
        b"grpc-accept-encoding",
        b"grpc-status",
        b"grpc-message",
    }
)

_KEY_BYTES = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz_-.")

# Unit letters of grpc-timeout, in seconds.
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT_DIGITS = 8  # TimeoutValue: at most 8 digits


def decode_metadata(fields: Fields) -> Metadata:
    """Application metadata among header fields, in order.

    Raises:
        ValueError: a ``-bin`` value is not base64; names the key.
    """
    out: list[tuple[str, str | bytes]] = []
    for name, value in fields:
        if name in _RESERVED:
            continue
        key = name.decode("ascii", "replace")
        if not key.endswith("-bin"):
            out.append((key, value.decode("ascii", "replace")))
            continue
        # Several values of one key may have been joined with commas; base64 has none.
        for part in value.split(b","):
            raw = part.strip()
            try:
                out.append((key, base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)))
            except binascii.Error:
                raise ValueError(f"metadata {key!r} carries invalid base64: {raw[:40]!r}") from None
    return tuple(out)


def encode_metadata(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Header fields for application metadata.

    Raises:
        ValueError: a key or value that cannot be sent, named, with what is allowed.
    """
    out = []
    for key, value in metadata:
        name = key.lower().encode("utf-8", "replace")
        if not name or not _KEY_BYTES.issuperset(name):
            raise ValueError(
                f"metadata key {key!r}: only letters, digits, '_', '-', '.' are allowed"
            )
        if name in _RESERVED or name.startswith(b"grpc-"):
            raise ValueError(f"metadata key {key!r} is reserved for gRPC; choose another name")
        if name.endswith(b"-bin"):
            raw = value if isinstance(value, bytes) else value.encode()
            out.append((name, base64.b64encode(raw).rstrip(b"=")))
            continue
        if isinstance(value, bytes):
            raise ValueError(  # noqa: TRY004 - one error type for all that cannot be sent
                f"metadata {key!r} has a bytes value; such keys must end in '-bin'"
            )
        try:
            text = value.encode("ascii")
        except UnicodeEncodeError:
            text = b"\n"
        if any(b < 0x20 or b > 0x7E for b in text):
            raise ValueError(
                f"metadata {key!r}={value[:40]!r} is not printable ASCII; "
                "use a key ending in '-bin'"
            )
        out.append((name, text))
    return out


def decode_timeout(raw: bytes) -> float:
    """Seconds of a ``grpc-timeout`` value such as ``b"250m"``.

    Raises:
        ValueError: not one to eight digits and a unit of ``HMSmun``.
    """
    unit = _UNITS.get(raw[-1:])
    digits = raw[:-1]
    if unit is None or not digits.isdigit() or len(digits) > _TIMEOUT_DIGITS:
        raise ValueError(f"grpc-timeout {raw[:20]!r} is not up to 8 digits and one of H M S m u n")
    return int(digits) * unit


def encode_timeout(seconds: float) -> bytes:
    """A ``grpc-timeout`` value, rounded up so that the peer never gives up first."""
    for unit, size in ((b"u", 1e-6), (b"m", 1e-3), (b"S", 1.0)):
        count = max(0, -int(-seconds // size))
        if count < 10**_TIMEOUT_DIGITS:
            return b"%d%s" % (count, unit)
    return b"%d%s" % (min(int(seconds // 3600) + 1, 10**_TIMEOUT_DIGITS - 1), b"H")
