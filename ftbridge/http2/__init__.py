"""HTTP/2 without input and output (RFC 9113, RFC 7541): octets in, events and octets out.

``Connection`` is the core; ``encode_headers`` makes the header blocks it sends. What each rule
became, and which test holds it, is in ``docs/protocol.md``. This package must never import a
socket, a thread, a clock or anything of ftbridge outside itself.
"""

from ftbridge.http2.connection import Connection
from ftbridge.http2.errors import ErrorCode, ProtocolError, StreamRefused, StreamStateError
from ftbridge.http2.events import (
    DataDiscarded,
    DataReceived,
    Event,
    GoAwayReceived,
    HeadersReceived,
    PingAcked,
    PingReceived,
    RequestReceived,
    SettingsAcked,
    SettingsReceived,
    StreamFault,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from ftbridge.http2.headers import HeaderBlock, encode_headers
from ftbridge.http2.limits import Limits
from ftbridge.http2.stream import Stream

__all__ = [
    "Connection",
    "DataDiscarded",
    "DataReceived",
    "ErrorCode",
    "Event",
    "GoAwayReceived",
    "HeaderBlock",
    "HeadersReceived",
    "Limits",
    "PingAcked",
    "PingReceived",
    "ProtocolError",
    "RequestReceived",
    "SettingsAcked",
    "SettingsReceived",
    "Stream",
    "StreamFault",
    "StreamRefused",
    "StreamReset",
    "StreamStateError",
    "TrailersReceived",
    "WindowUpdated",
    "encode_headers",
]
