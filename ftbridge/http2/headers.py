"""Field sections: what a decoded header list must look like, and how one is encoded for sending.

RFC 9113 section 8 calls a message malformed when its fields break a rule, and has the receiver
answer with a stream error. The checks run once for each distinct header block (the cache in
``blocks`` keeps the result), so they favour completeness over speed. Encoding never touches a
dynamic table, so an encoded block is a constant: it may be made ahead, shared between threads and
sent on any connection. This module must never import the halves.
"""

import re
from collections.abc import Iterable
from typing import Final, final

from hpack.table import HeaderTable

__all__ = ["HeaderBlock", "check_fields", "encode_headers"]

_name_valid: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
"""A token (RFC 9110 section 5.1) without upper case (RFC 9113 section 8.2.1)."""

_value_valid: Final = re.compile(
    rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?"
).fullmatch
"""No control character but HTAB inside, no white space at the ends (8.2.1, RFC 9110 5.5)."""

_method_valid: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_scheme_valid: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+\-.]*").fullmatch
_status_valid: Final = re.compile(rb"[1-9][0-9][0-9]").fullmatch
_length_valid: Final = re.compile(rb"[0-9]{1,18}").fullmatch
"""Up to 18 digits: no body is longer, and int() of hostile thousands of digits raises."""

_CONNECTION_SPECIFIC: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)
"""Fields about an HTTP/1.1 connection, which has none of its kind here (8.2.2)."""

_SPECIAL: Final = _CONNECTION_SPECIFIC | {b"te", b"content-length", b"cookie"}
"""Names that need more than the common checks: one look-up spares the others four comparisons."""

_REQUEST_PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path"))
_RESPONSE_PSEUDO: Final = frozenset((b":status",))


@final
class HeaderBlock:
    """A decoded and checked field section. Immutable, and shared by streams that sent the same.

    Attributes:
        fields: the regular fields in the order received; several cookie fields are joined into
            the first one's place (RFC 9113 section 8.2.3).
        pseudo: the pseudo-header fields, colon included; empty for trailers. Do not change it.
        content_length: octets, or None where the field is absent.
        memo: for the owner: its own reading of this block. Two threads may compute it at once,
            so it must depend on nothing but the block.
    """

    __slots__ = ("content_length", "fields", "memo", "pseudo")

    def __init__(
        self,
        fields: tuple[tuple[bytes, bytes], ...],
        pseudo: dict[bytes, bytes],
        content_length: int | None = None,
    ) -> None:
        self.fields = fields
        self.pseudo = pseudo
        self.content_length = content_length
        self.memo: object | None = None

    def __repr__(self) -> str:
        return f"<HeaderBlock {self.pseudo} {self.fields}>"


def check_fields(fields: Iterable[tuple[bytes, bytes]], *, response: bool) -> HeaderBlock | str:
    """The block made of ``fields``, or the reason why it is malformed (RFC 9113 section 8).

    Whether it is a head (with pseudo-header fields) or trailers (without) is for the caller to
    compare with what its stream expects.
    """
    known_pseudo = _RESPONSE_PSEUDO if response else _REQUEST_PSEUDO
    pseudo: dict[bytes, bytes] = {}
    regular: list[tuple[bytes, bytes]] = []
    cookie_at: int | None = None
    length: int | None = None
    for name, value in fields:
        if not _value_valid(value):
            return f"field {name!r} has a forbidden character in its value {value[:64]!r} (8.2.1)"
        if name[:1] == b":":
            if regular:
                return f"pseudo-header field {name!r} follows a regular field (8.3)"
            if name not in known_pseudo:
                return f"pseudo-header field {name!r} is not defined here (8.3)"
            if name in pseudo:
                return f"pseudo-header field {name!r} occurs twice (8.3)"
            pseudo[name] = value
            continue
        if not _name_valid(name):
            return f"field name {name[:64]!r} is not a lower-case token (8.2.1)"
        if name in _SPECIAL:
            if name in _CONNECTION_SPECIFIC:
                return f"field {name!r} is connection-specific (8.2.2)"
            if name == b"te":
                if response or value.lower() != b"trailers":
                    return (
                        f"field te is {value[:64]!r}; only b'trailers' in a request may be (8.2.2)"
                    )
            elif name == b"content-length":
                if not _length_valid(value):
                    return f"content-length {value[:64]!r} is not a number of octets (8.1.1)"
                if length is not None and length != int(value):
                    return f"content-length is both {length} and {int(value)} (8.1.1)"
                length = int(value)
            elif cookie_at is not None:
                regular[cookie_at] = (name, regular[cookie_at][1] + b"; " + value)
                continue
            else:
                cookie_at = len(regular)
        regular.append((name, value))
    if pseudo:
        problem = _check_status(pseudo) if response else _check_target(pseudo, regular)
        if problem is not None:
            return problem
    return HeaderBlock(tuple(regular), pseudo, length)


def _check_target(pseudo: dict[bytes, bytes], regular: list[tuple[bytes, bytes]]) -> str | None:
    """What is wrong with a request's pseudo-header fields (8.3.1, 8.5), or None."""
    method = pseudo.get(b":method")
    if method is None:
        return "the request has no :method (8.3.1)"
    if not _method_valid(method):
        return f":method {method[:64]!r} is not a token (8.3.1)"
    authority = pseudo.get(b":authority")
    if method == b"CONNECT":
        if b":scheme" in pseudo or b":path" in pseudo:
            return "a CONNECT request has :scheme or :path (8.5)"
        if not authority:
            return "a CONNECT request has no :authority (8.5)"
        return None
    scheme = pseudo.get(b":scheme")
    if scheme is None:
        return "the request has no :scheme (8.3.1)"
    if not _scheme_valid(scheme):
        return f":scheme {scheme[:64]!r} is not one (8.3.1)"
    path = pseudo.get(b":path")
    if path is None:
        return "the request has no :path (8.3.1)"
    if scheme.lower() in (b"http", b"https"):
        if not path.startswith(b"/") and not (path == b"*" and method == b"OPTIONS"):
            return f":path {path[:64]!r} does not start with '/' (8.3.1)"
        if authority is not None and b"@" in authority:
            return ":authority has the deprecated userinfo (8.3.1)"
    if authority is not None:
        for name, value in regular:
            if name == b"host" and value.lower() != authority.lower():
                return f"host {value[:64]!r} differs from :authority {authority[:64]!r} (8.3.1)"
    return None


def _check_status(pseudo: dict[bytes, bytes]) -> str | None:
    """What is wrong with a response's pseudo-header field (8.3.2, 8.6), or None."""
    status = pseudo[b":status"]
    if not _status_valid(status):
        return f":status {status[:64]!r} is not a status code (8.3.2)"
    if status == b"101":
        return ":status 101 does not exist in HTTP/2 (8.6)"
    return None


def encode_headers(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A header block that neither needs nor changes a dynamic table; thread-safe.

    Static-table entries are indexed (RFC 7541 section 6.1), all else is a literal without
    indexing (6.2.2), without Huffman coding: on a loopback or a data-centre link the octets cost
    less than coding them.

    Raises:
        ValueError: a name or value that the receiver would have to reject as malformed.
    """
    parts = bytearray()
    for name, value in fields:
        if not (_name_valid(name[1:] if name[:1] == b":" else name) and _value_valid(value)):
            raise ValueError(f"field {name!r}: {value!r} may not be sent (RFC 9113 section 8.2.1)")
        entry = HeaderTable.STATIC_TABLE_MAPPING.get(name)
        if entry is None:
            parts.append(0x00)
            _append_string(parts, name)
        else:
            index = entry[1].get(value)
            if index is not None:
                parts.append(0x80 | index)
                continue
            _append_integer(parts, entry[0], 0x0F)
        _append_string(parts, value)
    return bytes(parts)


def _append_string(parts: bytearray, text: bytes) -> None:
    """A string literal, not Huffman-coded (RFC 7541 section 5.2)."""
    _append_integer(parts, len(text), 0x7F)
    parts += text


def _append_integer(parts: bytearray, value: int, prefix: int) -> None:
    """An integer whose prefix has the bits of ``prefix``, other bits zero (RFC 7541 5.1)."""
    if value < prefix:
        parts.append(value)
        return
    parts.append(prefix)
    value -= prefix
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
