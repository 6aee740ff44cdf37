"""What the read half tells the owner, one immutable event for each thing that happened.

Tuples, because creating one is the cheapest allocation with named fields. This module must never
import the halves.
"""

from typing import NamedTuple

from ftbridge.http2.errors import ErrorCode
from ftbridge.http2.headers import HeaderBlock
from ftbridge.http2.stream import Stream

__all__ = [
    "DataDiscarded",
    "DataReceived",
    "Event",
    "GoAwayReceived",
    "HeadersReceived",
    "PingAcked",
    "PingReceived",
    "RequestReceived",
    "SettingsAcked",
    "SettingsReceived",
    "StreamFault",
    "StreamReset",
    "TrailersReceived",
    "WindowUpdated",
]


class HeadersReceived(NamedTuple):
    """A request head (server), or a response head or interim 1xx response (client)."""

    stream: Stream
    headers: HeaderBlock
    end_stream: bool


class DataReceived(NamedTuple):
    """Payload of a DATA frame.

    ``flow_bytes`` is what the frame took from the flow-control windows, padding included; the
    owner gives it back with ``Connection.credit`` once it has consumed the data.
    """

    stream: Stream
    data: bytes
    flow_bytes: int
    end_stream: bool


class RequestReceived(NamedTuple):
    """A request head and the one DATA frame that ends it, received together (server).

    Only for an owner that asked for it (``Connection``): in place of a `HeadersReceived` and the
    `DataReceived` with END_STREAM right behind it.
    """

    stream: Stream
    headers: HeaderBlock
    data: bytes
    flow_bytes: int


class TrailersReceived(NamedTuple):
    """The field section after the data; always ends the receive side of the stream."""

    stream: Stream
    headers: HeaderBlock


class StreamReset(NamedTuple):
    """The peer sent RST_STREAM. ``code`` may be one that RFC 9113 does not name."""

    stream: Stream
    code: int


class StreamFault(NamedTuple):
    """The peer broke a rule of one stream (RFC 9113 section 5.4.2).

    The owner answers with ``reset_stream(stream_id, code)``, or passes the event to ``apply``,
    which does just that. ``stream`` is None where no request had been announced on it.
    """

    stream_id: int
    stream: Stream | None
    code: ErrorCode
    reason: str


class DataDiscarded(NamedTuple):
    """DATA nobody will consume (its stream is reset or broken): pass to ``apply``.

    The octets took part of the connection's window all the same (RFC 9113 section 5.1), and
    ``apply`` gives them back.
    """

    flow_bytes: int


class WindowUpdated(NamedTuple):
    """The peer accepts more: of one stream, or of the connection (None). Pass to ``apply``."""

    stream: Stream | None
    increment: int


class SettingsReceived(NamedTuple):
    """The peer's SETTINGS, identifier to value, known and unknown ones. Pass to ``apply``."""

    changes: dict[int, int]


class SettingsAcked(NamedTuple):
    """The peer runs under our SETTINGS from here on."""


class PingReceived(NamedTuple):
    """Pass to ``apply``, which acknowledges it."""

    payload: bytes


class PingAcked(NamedTuple):
    """The answer to ``Connection.ping`` with the same 8 octets."""

    payload: bytes


class GoAwayReceived(NamedTuple):
    """The peer takes no new streams; those of ours above ``last_stream_id`` were not processed."""

    last_stream_id: int
    code: int
    debug: bytes


type Event = (
    HeadersReceived
    | DataReceived
    | RequestReceived
    | TrailersReceived
    | StreamReset
    | StreamFault
    | DataDiscarded
    | WindowUpdated
    | SettingsReceived
    | SettingsAcked
    | PingReceived
    | PingAcked
    | GoAwayReceived
)
