"""From a request's header block to what the server needs of it, checked once.

A client repeats the same header block call after call, and the HTTP/2 layer hands out the same
`HeaderBlock` object each time; the parsed form is kept on it, so that only a first call, or one
with headers of its own, pays for this.
"""

from __future__ import annotations

from collections.abc import Mapping

from ftbridge.http2 import HeaderBlock, encode_headers

from .framing import ENCODINGS
from .metadata import decode_metadata, decode_timeout, encode_metadata
from .method import Method, MethodKind
from .status import Metadata, RpcError, StatusCode, encode_message

CONTENT_TYPE = (b"content-type", b"application/grpc")
_ACCEPT_ENCODING = (b"grpc-accept-encoding", b",".join(ENCODINGS))

RESPONSE_HEAD = encode_headers([(b":status", b"200"), CONTENT_TYPE])
RESPONSE_HEAD_GZIP = encode_headers(
    [(b":status", b"200"), CONTENT_TYPE, (b"grpc-encoding", b"gzip")]
)
TRAILERS_OK = encode_headers([(b"grpc-status", b"0")])


def response_head(metadata: Metadata, *, gzip: bool) -> bytes:
    """Header block that opens a response."""
    if not metadata:
        return RESPONSE_HEAD_GZIP if gzip else RESPONSE_HEAD
    fields = [(b":status", b"200"), CONTENT_TYPE]
    if gzip:
        fields.append((b"grpc-encoding", b"gzip"))
    return encode_headers(fields + encode_metadata(metadata))


def _status_fields(code: StatusCode, details: str) -> list[tuple[bytes, bytes]]:
    fields = [(b"grpc-status", b"%d" % code)]
    if details:
        fields.append((b"grpc-message", encode_message(details)))
    return fields


def trailers(code: StatusCode, details: str, metadata: Metadata) -> bytes:
    """Header block that ends a response whose head has been sent."""
    if code == StatusCode.OK and not metadata:
        return TRAILERS_OK
    return encode_headers(_status_fields(code, details) + encode_metadata(metadata))


def refusal(code: StatusCode, details: str) -> bytes:
    """Header block that answers a request without calling anything ("Trailers-Only").

    Blocks are stateless, so that one may be put behind another.
    """
    extra = encode_headers([_ACCEPT_ENCODING]) if code == StatusCode.UNIMPLEMENTED else b""
    return RESPONSE_HEAD + extra + trailers(code, details, ())


class RequestHead:
    """What a request's headers say. Shared by all calls that sent the same block; never changed.

    Attributes:
        method: what to call; None when ``refusal`` is set.
        timeout: seconds of ``grpc-timeout``; None without one.
        gzip_in: messages may come compressed. gzip_out: the caller accepts compressed ones.
        is_simple: `ServerCall.begin` has nothing to do: unary, and no deadline to arm.
        refusal: complete header block that answers a request which cannot be served.
    """

    __slots__ = ("gzip_in", "gzip_out", "is_simple", "metadata", "method", "refusal", "timeout")

    def __init__(self) -> None:
        self.method: Method | None = None
        self.timeout: float | None = None
        self.is_simple = False
        self.gzip_in = False
        self.gzip_out = False
        self.metadata: Metadata = ()
        self.refusal: bytes | None = None


def parse_request(headers: HeaderBlock, methods: Mapping[bytes, Method]) -> RequestHead:
    """Read a request's header block; anything wrong with it ends up in ``refusal``."""
    head = RequestHead()
    try:
        _fill(head, headers, methods)
    except RpcError as exc:
        head.refusal = refusal(exc.code, exc.details)
    except _HttpError as exc:
        head.refusal = exc.block
    return head


class _HttpError(Exception):
    """Not a gRPC request at all: answered with a bare HTTP status."""

    def __init__(self, block: bytes) -> None:
        super().__init__(block)
        self.block = block


def _fill(head: RequestHead, headers: HeaderBlock, methods: Mapping[bytes, Method]) -> None:
    pseudo = headers.pseudo
    if pseudo.get(b":method") != b"POST":
        raise _HttpError(encode_headers([(b":status", b"405"), (b"allow", b"POST")]))
    fields = dict(headers.fields)
    content_type = fields.get(b"content-type", b"")
    if content_type != b"application/grpc" and not content_type.startswith(
        (b"application/grpc+", b"application/grpc;")
    ):
        # "If Content-Type does not begin with application/grpc, gRPC servers SHOULD respond with
        # HTTP status of 415" (gRPC over HTTP/2, "Requests").
        raise _HttpError(encode_headers([(b":status", b"415")]))
    path = pseudo[b":path"]
    method = methods.get(path)
    if method is None:
        raise RpcError(
            StatusCode.UNIMPLEMENTED, f"no method {path.decode('utf-8', 'replace')!r} here"
        )
    encoding = fields.get(b"grpc-encoding", b"identity")
    if encoding not in ENCODINGS:
        raise RpcError(
            StatusCode.UNIMPLEMENTED,
            f"grpc-encoding {encoding.decode('ascii', 'replace')!r} is not supported; "
            "use identity or gzip",
        )
    head.gzip_in = encoding == b"gzip"
    head.gzip_out = b"gzip" in fields.get(b"grpc-accept-encoding", b"")
    try:
        if (raw := fields.get(b"grpc-timeout")) is not None:
            head.timeout = decode_timeout(raw)
        head.metadata = decode_metadata(headers.fields)
    except ValueError as exc:
        raise RpcError(StatusCode.INTERNAL, str(exc)) from None
    head.method = method
    head.is_simple = method.kind is MethodKind.UNARY and (
        head.timeout is None or not method.enforce_deadline
    )
