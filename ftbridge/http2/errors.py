"""The error codes of HTTP/2 and the exceptions of this package.

They live apart so that every other module here, and the layer above, can name an error without
importing any machinery. This module must never import anything of ftbridge except, for type
checkers, the event union.
"""

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftbridge.http2.events import Event

__all__ = ["ErrorCode", "ProtocolError", "StreamRefused", "StreamStateError"]


class ErrorCode(enum.IntEnum):
    """Why a stream or a connection ended (RFC 9113 section 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class ProtocolError(Exception):
    """The peer broke a rule that ends the whole connection (RFC 9113 section 5.4.1).

    The owner sends ``goaway(error.code, ...)`` and closes the socket.

    Attributes:
        code: what to put into the GOAWAY frame.
        reason: one sentence naming the offending value; fit for a log and for GOAWAY debug data.
        events: what ``receive`` had already read, in order, before it met the error in the same
            call. They happened; an owner that wants the same behaviour for every split of the
            byte stream handles them before it sends GOAWAY.
    """

    __slots__ = ("code", "events", "reason")

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(f"{code.name}: {reason}")
        self.code = code
        self.reason = reason
        self.events: list[Event] = []


class StreamRefused(Exception):  # noqa: N818 - named after REFUSED_STREAM, which it predicts
    """A client cannot open another stream on this connection.

    Attributes:
        permanent: True when the connection takes no new stream ever again (GOAWAY received, or
            the 2**30 stream ids are used up): open a new connection. False when the peer's
            SETTINGS_MAX_CONCURRENT_STREAMS is reached: wait until a stream ends.
    """

    __slots__ = ("permanent",)

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


class StreamStateError(Exception):
    """The owner tried to send on a stream whose own send side it had already ended."""

    __slots__ = ()
