"""From a header block's octets to a checked ``HeaderBlock``, with a cache of those that repeat.

gRPC clients send the same octets call after call: once the dynamic table has settled, a request
head is a few index octets. Decoding and checking them costs tens of microseconds, a dictionary
look-up a fraction of one.

The same octets mean the same fields only while the dynamic table stays as it was. So an entry is
kept only if its own decoding left the table alone, and all entries go as soon as any block
changes it. A hit skips no check: checks depend on the octets and the table only, and what depends
on the stream (head or trailers, content-length) is done by the reader each time. Malformed blocks
are not kept. This module must never import the halves.
"""

from typing import Final, NamedTuple

from ftbridge.http2.decoder import HeaderDecoder
from ftbridge.http2.errors import ErrorCode
from ftbridge.http2.headers import HeaderBlock, check_fields
from ftbridge.http2.limits import (
    HEADER_BLOCK_FACTOR,
    HEADER_CACHE_BYTES,
    HEADER_CACHE_ENTRIES,
    Limits,
)

__all__ = ["BlockReader", "Malformed"]

_LARGEST_ENTRY: Final = HEADER_CACHE_BYTES // 16
"""Octets, encoded plus decoded; a larger block is decoded each time, or it would evict the rest."""


class Malformed(NamedTuple):
    """A block that decoded, so the connection lives on, but that its stream does not survive."""

    code: ErrorCode
    reason: str


class BlockReader:
    """The receiving side of header compression for one connection; one thread at a time.

    Attributes:
        cache: octets to block, read by the reader's fast path; change it through this class only.
    """

    __slots__ = ("_cached_bytes", "_decoder", "_max_list_size", "_response", "_sizes", "cache")

    def __init__(self, limits: Limits, *, response: bool) -> None:
        self._decoder = HeaderDecoder(limits.max_header_list_size * HEADER_BLOCK_FACTOR)
        self._max_list_size = limits.max_header_list_size
        self._response = response
        self.cache: dict[bytes, HeaderBlock] = {}
        self._sizes: dict[bytes, int] = {}
        self._cached_bytes = 0

    def set_table_limit(self, size: int) -> None:
        """The peer acknowledged our SETTINGS_HEADER_TABLE_SIZE."""
        self._decoder.set_limit(size)
        self._forget()  # the next block may have to begin with a size update: none may skip that

    def decode(self, octets: bytes) -> HeaderBlock | Malformed:
        """A block that is not in ``cache``.

        Raises:
            ProtocolError: as ``HeaderDecoder.decode``.
        """
        decoder = self._decoder
        fields = decoder.decode(octets)
        if decoder.changed and self.cache:
            self._forget()
        size = decoder.list_size
        if size > self._max_list_size:
            # gRPC clients read this code as RESOURCE_EXHAUSTED, which it is.
            return Malformed(
                ErrorCode.ENHANCE_YOUR_CALM,
                f"the header list has {size} octets; {self._max_list_size} are allowed",
            )
        block = check_fields(fields, response=self._response)
        if isinstance(block, str):
            return Malformed(ErrorCode.PROTOCOL_ERROR, block)
        if not decoder.changed:
            size += len(octets)
            if size <= _LARGEST_ENTRY:
                self._keep(octets, block, size)
        return block

    def _keep(self, octets: bytes, block: HeaderBlock, size: int) -> None:
        """Add an entry; the oldest ones make room. First in, first out: a block in use that falls
        out is back after one miss, and a hit costs no bookkeeping."""
        cache, sizes = self.cache, self._sizes
        while len(cache) >= HEADER_CACHE_ENTRIES or self._cached_bytes + size > HEADER_CACHE_BYTES:
            oldest = next(iter(cache))
            del cache[oldest]
            self._cached_bytes -= sizes.pop(oldest)
        cache[octets] = block
        sizes[octets] = size
        self._cached_bytes += size

    def _forget(self) -> None:
        self.cache.clear()
        self._sizes.clear()
        self._cached_bytes = 0
