"""The HPACK decoder's instruction loop (RFC 7541), over the tables and Huffman code of ``hpack``.

Why not ``hpack.Decoder``: it stops at an oversized list, after which the dynamic table no longer
matches the peer's and the connection is lost where RFC 9113 section 10.5.1 asks for less; it does
not say whether a block changed the table, which the cache must know; and its logging and
memoryview slices make a block of mostly indexed fields eight times as expensive (3.13t: 40 µs
against 5). It remains the oracle in the tests. This module must never import the halves.
"""

from typing import Final

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from ftbridge.http2.errors import ErrorCode, ProtocolError
from ftbridge.http2.limits import DEFAULT_HEADER_TABLE_SIZE

__all__ = ["HeaderDecoder"]

_FIRST_DYNAMIC: Final = HeaderTable.STATIC_TABLE_LENGTH + 1
_STATIC: Final = ((b"", b""), *HeaderTable.STATIC_TABLE)
"""By index; index 0 does not exist (RFC 7541 section 6.1)."""

_ENTRY_OVERHEAD: Final = 32
"""Octets a field counts beyond its name and value (RFC 7541 section 4.1, RFC 9113 6.5.2)."""

_INTEGER_CONTINUATION: Final = 5
"""Octets after the prefix, as ``hpack`` takes them: enough for 32 bits. Longer ones, even if padded
with zeros, are decoding errors (RFC 7541 section 5.1)."""


def _broken(reason: str) -> ProtocolError:
    return ProtocolError(ErrorCode.COMPRESSION_ERROR, reason)


class HeaderDecoder:
    """The decoding context of one connection: every header block must pass through, in order.

    Args:
        max_list_size: octets of decoded list (RFC 9113 section 6.5.2) at which decoding stops for
            good, with an error.

    Attributes:
        changed: True if the last block changed the dynamic table or its size.
        list_size: octets of the last decoded list.
    """

    __slots__ = ("_limit", "_max_list_size", "_table", "changed", "list_size")

    def __init__(self, max_list_size: int) -> None:
        self._table = HeaderTable()
        self._limit = DEFAULT_HEADER_TABLE_SIZE
        self._max_list_size = max_list_size
        self.changed = False
        self.list_size = 0

    def set_limit(self, size: int) -> None:
        """The peer acknowledged our SETTINGS_HEADER_TABLE_SIZE: ``size`` octets bind it now."""
        self._limit = size

    def decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of one complete header block, names and values as sent.

        Raises:
            ProtocolError: COMPRESSION_ERROR as RFC 7541 demands, or ENHANCE_YOUR_CALM for a list
                beyond ``max_list_size``. The context is unusable afterwards.
        """
        table = self._table
        entries = table.dynamic_entries
        fields: list[tuple[bytes, bytes]] = []
        end = len(block)
        size = 0
        self.changed = False
        if table.maxsize > self._limit and (not block or block[0] & 0xE0 != 0x20):
            raise _broken(
                f"the table is limited to {self._limit} octets, and the block does not begin "
                f"with the size update that says so (RFC 7541 section 4.2)"
            )
        pos = 0
        try:
            while pos < end:
                first = block[pos]
                pos += 1
                if first & 0x80:
                    index = first & 0x7F
                    if index == 0x7F:
                        index, pos = _integer(block, pos, 0x7F)
                    elif index == 0:
                        raise _broken("index 0 in an indexed field (RFC 7541 section 6.1)")
                    field = (
                        _STATIC[index]
                        if index < _FIRST_DYNAMIC
                        else entries[index - _FIRST_DYNAMIC]
                    )
                elif first & 0xE0 == 0x20:
                    if fields:
                        raise _broken("a table size update after a field (RFC 7541 section 4.2)")
                    limit = first & 0x1F
                    if limit == 0x1F:
                        limit, pos = _integer(block, pos, 0x1F)
                    if limit > self._limit:
                        raise _broken(
                            f"a table size update to {limit} octets; SETTINGS allow {self._limit} "
                            f"(RFC 7541 section 6.3)"
                        )
                    table.maxsize = limit
                    self.changed = True
                    continue
                else:
                    indexed = first & 0x40
                    prefix = 0x3F if indexed else 0x0F
                    index = first & prefix
                    if index == 0:
                        name, pos = _string(block, pos, end)
                    else:
                        if index == prefix:
                            index, pos = _integer(block, pos, prefix)
                        if index < _FIRST_DYNAMIC:
                            name = _STATIC[index][0]
                        else:
                            name = entries[index - _FIRST_DYNAMIC][0]
                    value, pos = _string(block, pos, end)
                    field = (name, value)
                    if indexed:
                        table.add(name, value)
                        self.changed = True
                fields.append(field)
                size += len(field[0]) + len(field[1]) + _ENTRY_OVERHEAD
                if size > self._max_list_size:
                    raise ProtocolError(
                        ErrorCode.ENHANCE_YOUR_CALM,
                        f"a header list passes {self._max_list_size} octets",
                    )
        except IndexError:
            raise _broken("the header block is truncated or refers to no table entry") from None
        except HPACKDecodingError as error:
            raise _broken(f"{error} (RFC 7541 section 5.2)") from None
        self.list_size = size
        return fields


def _integer(block: bytes, pos: int, prefix: int) -> tuple[int, int]:
    """An integer whose prefix bits are all ones, and where it ends (RFC 7541 section 5.1).

    Raises IndexError where the block ends first.
    """
    value = prefix
    for shift in range(0, 7 * _INTEGER_CONTINUATION, 7):
        octet = block[pos]
        pos += 1
        value += (octet & 0x7F) << shift
        if octet < 0x80:
            return value, pos
    raise _broken(
        f"an integer of over {_INTEGER_CONTINUATION} continuation octets (RFC 7541 section 5.1)"
    )


def _string(block: bytes, pos: int, end: int) -> tuple[bytes, int]:
    """A string literal, and where it ends (RFC 7541 section 5.2).

    Raises IndexError where the block ends first.
    """
    first = block[pos]
    length = first & 0x7F
    pos += 1
    if length == 0x7F:
        length, pos = _integer(block, pos, 0x7F)
    stop = pos + length
    if stop > end:
        raise IndexError
    if first & 0x80:
        return decode_huffman(block[pos:stop]), stop
    return block[pos:stop], stop
