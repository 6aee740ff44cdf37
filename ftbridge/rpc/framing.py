"""gRPC's length-prefixed messages over DATA frames, with gzip and size limits.

"Length-Prefixed-Message" of the gRPC over HTTP/2 specification: one byte compressed flag, four
bytes length, message. No sockets, no calls.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from .status import RpcError, StatusCode

PREFIX_BYTES: Final = 5
_PREFIX: Final = struct.Struct(">BI")
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # 16: gzip header and trailer (zlib manual)
_GZIP_LEVEL: Final = 6  # zlib's and grpc's default

_NO_PREFIX: Final = -1  # in place of a size
ENCODINGS: Final = (b"identity", b"gzip")


def frame(message: bytes, *, limit: int, compress: bool = False) -> bytes:
    """Prefix a message, compressing it first when asked and when that makes it smaller.

    Raises:
        RpcError: RESOURCE_EXHAUSTED when the message is longer than ``limit`` bytes.
    """
    size = len(message)
    if size > limit:
        raise RpcError(
            StatusCode.RESOURCE_EXHAUSTED,
            f"message to send has {size} bytes, the limit is {limit}; send it in parts or raise "
            "max_send_bytes",
        )
    if compress:
        squeezer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        small = squeezer.compress(message) + squeezer.flush()
        if len(small) < size:
            return _PREFIX.pack(1, len(small)) + small
    return _PREFIX.pack(0, size) + message


def decompress(data: bytes, *, limit: int) -> bytes:
    """Gunzip one message without ever holding more than ``limit`` bytes of it.

    Raises:
        RpcError: INTERNAL for data that is not gzip, RESOURCE_EXHAUSTED past the limit.
    """
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        message = inflater.decompress(data, limit + 1)
    except zlib.error as exc:
        raise RpcError(StatusCode.INTERNAL, f"message is not valid gzip: {exc}") from None
    if len(message) > limit:
        raise _too_long("more than that once decompressed", limit)
    if not inflater.eof:
        raise RpcError(StatusCode.INTERNAL, "gzip message ends in the middle")
    return message


def _too_long(size: int | str, limit: int) -> RpcError:
    return RpcError(
        StatusCode.RESOURCE_EXHAUSTED,
        f"received message has {size} bytes, the limit is {limit}; send it in parts or raise "
        "max_receive_bytes",
    )


class Assembler:
    """Messages out of a stream's DATA payloads, whatever their boundaries.

    Not thread-safe: it belongs to the thread that reads the connection.

    Args:
        limit: bytes of one message; the prefix alone is enough to refuse a longer one.
        gzip: whether the sender announced ``grpc-encoding: gzip``.
    """

    __slots__ = ("_flag", "_gzip", "_have", "_limit", "_parts", "_size")

    def __init__(self, *, limit: int, gzip: bool) -> None:
        self._limit = limit
        self._gzip = gzip
        # Of the message that is coming: what has come after its prefix, views of what was fed, so
        # that a large message is copied once, when it is complete. Before the prefix is complete,
        # what there is of that.
        self._parts: list[bytes | memoryview] = []
        self._have = 0  # bytes in them
        self._size = _NO_PREFIX
        self._flag = 0

    @property
    def buffered(self) -> int:
        """Bytes held of a message that is not complete."""
        return self._have if self._size == _NO_PREFIX else self._have + PREFIX_BYTES

    def feed(self, data: bytes) -> list[bytes]:
        """The messages completed by ``data``.

        Raises:
            RpcError: RESOURCE_EXHAUSTED, INTERNAL for a flag or encoding that breaks the framing.
        """
        out: list[bytes] = []
        rest = memoryview(data)
        while rest:
            if self._size == _NO_PREFIX:
                if self._parts:
                    rest = memoryview(b"".join((*self._parts, rest)))
                    self._parts.clear()
                if len(rest) < PREFIX_BYTES:
                    self._parts.append(rest)
                    self._have = len(rest)
                    break
                self._read_prefix(rest)
                rest = rest[PREFIX_BYTES:]
            have = self._have + len(rest)
            size = self._size
            if have < size:
                if rest:
                    self._parts.append(rest)
                self._have = have
                break
            cut = len(rest) - (have - size)
            self._parts.append(rest[:cut])
            message = b"".join(self._parts)
            self._parts.clear()
            self._have = 0
            self._size = _NO_PREFIX
            out.append(decompress(message, limit=self._limit) if self._flag else message)
            rest = rest[cut:]
        return out

    def _read_prefix(self, data: memoryview) -> None:
        flag, size = _PREFIX.unpack_from(data)
        if size > self._limit:
            raise _too_long(size, self._limit)
        if flag > 1:
            raise RpcError(StatusCode.INTERNAL, f"compressed flag {flag} is neither 0 nor 1")
        if flag and not self._gzip:
            raise RpcError(StatusCode.INTERNAL, "compressed message without a grpc-encoding header")
        self._flag = flag
        self._size = size
        self._have = 0

    def finish(self) -> None:
        """The sender is done. Raises `RpcError` (INTERNAL) when a message is incomplete."""
        if self.buffered:
            need = PREFIX_BYTES + max(self._size, 0)
            raise RpcError(
                StatusCode.INTERNAL,
                f"stream ended after {self.buffered} of {need} bytes of a message",
            )
