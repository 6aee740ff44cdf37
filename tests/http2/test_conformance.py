"""RFC 9113 and RFC 7541, rule by rule: what a peer may do, and what answers what it may not.

One table, run with the octets whole and one by one. ``docs/protocol.md`` lists the same cases;
``test_protocol_doc`` holds the two together.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from http2.peer import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_FLAG,
    PUSH_PROMISE,
    REQUEST,
    RESPONSE,
    RST_STREAM,
    SETTINGS,
    TRAILERS,
    WINDOW_UPDATE,
    Peer,
    Step,
    block,
    data,
    frame,
    headers,
    replaced,
    rst_stream,
    settings,
    window_update,
    without,
)

from ftbridge.http2 import Connection, ErrorCode, Limits, StreamFault

LARGEST = 2**31 - 1
OPEN = END_HEADERS
"""Flags of a HEADERS frame that leaves the stream open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One rule.

    Attributes:
        section: of RFC 9113, or "HPACK n" of RFC 7541.
        rule: for the table in the docs.
        steps: octets from the peer, and what the owner does between them.
        error: of the connection; None if it must live on.
        fault: (stream, code) of the stream error; None if there must be none.
        events: names of the events, in order; None where error or fault says enough.
    """

    section: str
    name: str
    rule: str
    steps: tuple[Step, ...]
    client: bool = False
    raw: bool = False
    limits: Limits = field(default_factory=Limits)
    error: ErrorCode | None = None
    fault: tuple[int, ErrorCode] | None = None
    events: tuple[str, ...] | None = None

    @property
    def id(self) -> str:
        return f"{self.section.replace('HPACK ', 'hpack-')}-{self.name}"

    @property
    def answer(self) -> str:
        """As ``docs/protocol.md`` words it."""
        if self.error is not None:
            return f"connection error {self.error.name}"
        return "accepted" if self.fault is None else f"stream error {self.fault[1].name}"


CASES: list[Case] = []

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR
FRAME_SIZE_ERROR = ErrorCode.FRAME_SIZE_ERROR
FLOW_CONTROL_ERROR = ErrorCode.FLOW_CONTROL_ERROR
STREAM_CLOSED = ErrorCode.STREAM_CLOSED
COMPRESSION_ERROR = ErrorCode.COMPRESSION_ERROR
CALM = ErrorCode.ENHANCE_YOUR_CALM


def dies(
    section: str, name: str, rule: str, error: ErrorCode, *steps: Step, **more: object
) -> None:
    CASES.append(
        Case(section=section, name=name, rule=rule, steps=steps, error=error, **more)  # type: ignore[arg-type]
    )


def faults(
    section: str,
    name: str,
    rule: str,
    code: ErrorCode,
    *steps: Step,
    stream: int = 1,
    **more: object,
) -> None:
    CASES.append(
        Case(section=section, name=name, rule=rule, steps=steps, fault=(stream, code), **more)  # type: ignore[arg-type]
    )


def lives(
    section: str, name: str, rule: str, events: tuple[str, ...], *steps: Step, **more: object
) -> None:
    CASES.append(
        Case(section=section, name=name, rule=rule, steps=steps, events=events, **more)  # type: ignore[arg-type]
    )


# --- what the owner does between two steps ----------------------------------------------------


def respond(stream_id: int) -> Callable[[Connection], None]:
    def step(connection: Connection) -> None:
        stream = connection.streams[stream_id]
        connection.send_response(stream, block(RESPONSE), b"reply", block(TRAILERS))

    return step


def reset(stream_id: int) -> Callable[[Connection], None]:
    return lambda connection: connection.reset_stream(stream_id, ErrorCode.CANCEL)


def say_goaway(last: int | None = None) -> Callable[[Connection], None]:
    return lambda connection: connection.goaway(0, last_stream_id=last)


def ask(connection: Connection) -> None:
    """Open a request stream (client) and finish the request."""
    connection.send_headers(connection.open_stream(), block(REQUEST), end_stream=True)


def ask_open(connection: Connection) -> None:
    """Open a request stream (client) and leave its send side open."""
    connection.send_headers(connection.open_stream(), block(REQUEST))


# --- generic: what must simply work (h2spec "generic") ----------------------------------------

HEAD = "HeadersReceived"
BODY = "DataReceived"
TAIL = "TrailersReceived"

lives("8.1", "request-headers-only", "a request may end with its HEADERS", (HEAD,), headers(1))
lives(
    "8.1",
    "request-data",
    "HEADERS and DATA make a request",
    (HEAD, BODY, BODY),
    headers(1, flags=OPEN) + data(1, b"one", 0) + data(1, b"two"),
)
lives(
    "8.1",
    "request-trailers",
    "a request may end with trailers",
    (HEAD, BODY, TAIL),
    headers(1, flags=OPEN) + data(1, b"one", 0) + headers(1, TRAILERS),
)
lives(
    "8.1",
    "empty-end",
    "an empty DATA frame may end a request",
    (HEAD, BODY),
    headers(1, flags=OPEN) + data(1),
)
for method in (b"GET", b"HEAD", b"OPTIONS"):
    lives(
        "8.3.1",
        f"method-{method.decode().lower()}",
        f"{method.decode()} is a request like any other",
        (HEAD,),
        headers(1, replaced(b":method", method)),
    )
lives(
    "8.3.1",
    "options-asterisk",
    "OPTIONS may ask for '*'",
    (HEAD,),
    headers(1, replaced(b":method", b"OPTIONS", replaced(b":path", b"*"))),
)
lives(
    "5.1.2",
    "streams-in-turn",
    "a closed stream makes room for the next",
    (HEAD, HEAD, HEAD),
    headers(1),
    respond(1),
    headers(3),
    respond(3),
    headers(5),
    limits=Limits(max_concurrent_streams=1),
)

# --- 3.4 preface ------------------------------------------------------------------------------

dies(
    "3.4",
    "preface-wrong",
    "a wrong connection preface ends the connection",
    PROTOCOL_ERROR,
    b"INVALID CONNECTION PREFACE\r\n\r\n",
    raw=True,
)
dies(
    "3.4",
    "preface-http1",
    "an HTTP/1.1 request is no preface",
    PROTOCOL_ERROR,
    b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    raw=True,
)
dies(
    "3.4",
    "preface-last-octet",
    "the preface is compared to its last octet",
    PROTOCOL_ERROR,
    PREFACE[:-1] + b"\r" + settings(),
    raw=True,
)
dies(
    "3.4",
    "preface-without-settings",
    "the first frame of a client is SETTINGS",
    PROTOCOL_ERROR,
    PREFACE + headers(1),
    raw=True,
)
dies(
    "3.4",
    "preface-settings-ack",
    "that first SETTINGS is not an acknowledgement",
    PROTOCOL_ERROR,
    PREFACE + frame(SETTINGS, ACK, 0),
    raw=True,
)
dies(
    "3.4",
    "server-preface",
    "the first frame of a server is SETTINGS",
    PROTOCOL_ERROR,
    frame(PING, 0, 0, bytes(8)),
    raw=True,
    client=True,
)
lives(
    "3.4",
    "preface",
    "preface and empty SETTINGS open a connection",
    ("SettingsReceived",),
    PREFACE + settings(),
    raw=True,
)

# --- 4 frames ---------------------------------------------------------------------------------

lives(
    "4.1",
    "unknown-type",
    "frames of unknown type are ignored",
    ("PingReceived",),
    frame(0x16, 0xFF, 0, b"anything") + frame(0x16, 0, 9) + frame(PING, 0, 0, bytes(8)),
)
lives(
    "4.1",
    "unknown-flags",
    "undefined flags are ignored",
    ("PingReceived",),
    frame(PING, 0xFE, 0, bytes(8)),
)
lives(
    "4.1",
    "reserved-bit",
    "the reserved bit of the stream identifier is ignored",
    ("PingReceived", HEAD),
    frame(PING, 0, 1 << 31, bytes(8)) + frame(HEADERS, 5, 1 << 31 | 1, block(REQUEST)),
)
lives(
    "4.2",
    "largest-data",
    "a DATA frame of SETTINGS_MAX_FRAME_SIZE is accepted",
    (HEAD, BODY),
    headers(1, flags=OPEN) + data(1, bytes(16_384)),
    limits=Limits(max_frame_size=16_384),
)
dies(
    "4.2",
    "data-too-large",
    "a larger DATA frame is an error",
    FRAME_SIZE_ERROR,
    headers(1, flags=OPEN) + data(1, bytes(16_385)),
    limits=Limits(max_frame_size=16_384),
)
dies(
    "4.2",
    "headers-too-large",
    "so is a larger HEADERS frame",
    FRAME_SIZE_ERROR,
    frame(HEADERS, 5, 1, bytes(16_385)),
    limits=Limits(max_frame_size=16_384),
)
dies(
    "4.2",
    "told-by-the-header",
    "and its 9 octets are enough to know",
    FRAME_SIZE_ERROR,
    frame(0x16, 0, 0, bytes(65_537))[:9],
)
dies(
    "4.3",
    "broken-block",
    "a header block that does not decode",
    COMPRESSION_ERROR,
    frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff"),
)
dies(
    "4.3",
    "priority-inside-block",
    "no other frame inside a header block",
    PROTOCOL_ERROR,
    headers(1, flags=END_STREAM) + frame(PRIORITY, 0, 1, bytes(5)),
)
dies(
    "4.3",
    "headers-inside-block",
    "no other stream's HEADERS inside a header block",
    PROTOCOL_ERROR,
    headers(1, flags=END_STREAM) + headers(3),
)
dies(
    "4.3",
    "unknown-inside-block",
    "no frame of unknown type inside a header block (5.5)",
    PROTOCOL_ERROR,
    headers(1, flags=END_STREAM) + frame(0x16, 0, 0),
)

# --- 5.1 stream states ------------------------------------------------------------------------

dies("5.1", "idle-data", "DATA on an idle stream", PROTOCOL_ERROR, data(1, b"x"))
dies("5.1", "idle-rst-stream", "RST_STREAM on an idle stream", PROTOCOL_ERROR, rst_stream(1))
dies(
    "5.1",
    "idle-window-update",
    "WINDOW_UPDATE on an idle stream",
    PROTOCOL_ERROR,
    window_update(1, 1),
)
dies(
    "5.1",
    "idle-continuation",
    "CONTINUATION on an idle stream",
    PROTOCOL_ERROR,
    frame(CONTINUATION, END_HEADERS, 1, block(REQUEST)),
)
lives(
    "5.1",
    "idle-priority",
    "PRIORITY on an idle stream is allowed and opens nothing",
    (HEAD,),
    frame(PRIORITY, 0, 9, bytes(5)) + headers(1),
)
dies(
    "5.1",
    "idle-even-data",
    "streams of the server's are idle for ever: it does not push",
    PROTOCOL_ERROR,
    headers(3) + data(2, b"x"),
)
faults(
    "5.1",
    "half-closed-data",
    "DATA after END_STREAM",
    STREAM_CLOSED,
    headers(1) + data(1, b"x"),
)
faults(
    "5.1",
    "half-closed-headers",
    "HEADERS after END_STREAM",
    STREAM_CLOSED,
    headers(1) + headers(1),
)
dies(
    "5.1",
    "half-closed-continuation",
    "CONTINUATION after END_STREAM and END_HEADERS",
    PROTOCOL_ERROR,
    headers(1) + frame(CONTINUATION, END_HEADERS, 1, block(REQUEST)),
)
lives(
    "5.1",
    "half-closed-others",
    "WINDOW_UPDATE, PRIORITY and RST_STREAM are allowed after END_STREAM",
    (HEAD, "WindowUpdated", "StreamReset"),
    headers(1) + window_update(1, 1) + frame(PRIORITY, 0, 1, bytes(5)) + rst_stream(1),
)
faults(
    "5.1",
    "reset-by-peer-data",
    "DATA after the peer's own RST_STREAM",
    STREAM_CLOSED,
    headers(1, flags=OPEN) + rst_stream(1) + data(1, b"x"),
)
faults(
    "5.1",
    "reset-by-peer-headers",
    "HEADERS after the peer's own RST_STREAM",
    STREAM_CLOSED,
    headers(1, flags=OPEN) + rst_stream(1) + headers(1, TRAILERS),
)
dies(
    "5.1",
    "reset-by-peer-continuation",
    "CONTINUATION after the peer's own RST_STREAM",
    PROTOCOL_ERROR,
    headers(1, flags=OPEN) + rst_stream(1) + frame(CONTINUATION, END_HEADERS, 1, b""),
)
faults(
    "6.1",
    "closed-data",
    "DATA on a closed stream",
    STREAM_CLOSED,
    headers(1),
    respond(1),
    data(1, b"x"),
)
dies(
    "5.1",
    "closed-headers",
    "HEADERS on a closed stream",
    STREAM_CLOSED,
    headers(1),
    respond(1),
    headers(1),
)
dies(
    "5.1",
    "closed-continuation",
    "CONTINUATION on a closed stream",
    PROTOCOL_ERROR,
    headers(1),
    respond(1),
    frame(CONTINUATION, END_HEADERS, 1, block(REQUEST)),
)
lives(
    "5.1",
    "closed-others",
    "WINDOW_UPDATE, RST_STREAM and PRIORITY may come late",
    (HEAD, HEAD),
    headers(1),
    respond(1),
    window_update(1, 1) + rst_stream(1) + frame(PRIORITY, 0, 1, bytes(5)) + headers(3),
)
lives(
    "5.1",
    "reset-by-us",
    "whatever comes late on a stream that we reset is discarded, and its DATA counted",
    (HEAD, "DataDiscarded", HEAD),
    headers(1, flags=OPEN),
    reset(1),
    data(1, b"late", 0) + window_update(1, 1) + headers(1, TRAILERS) + rst_stream(1) + headers(3),
)
lives(
    "5.1",
    "reset-by-us-once",
    "a stream error is answered once, later frames are ignored",
    (HEAD, "StreamFault", "DataDiscarded", "DataDiscarded", HEAD),
    headers(1) + data(1, b"x", 0) + data(1, b"y") + headers(3),
)
dies("5.1.1", "even-id", "requests have odd stream ids", PROTOCOL_ERROR, headers(2))
dies(
    "5.1.1",
    "id-decreasing",
    "a new stream's id is higher than all before",
    PROTOCOL_ERROR,
    headers(5) + headers(3),
)
dies(
    "5.1.1",
    "id-skipped-first",
    "also below the first one used",
    PROTOCOL_ERROR,
    headers(3) + headers(1),
)
lives("5.1.1", "id-gap", "ids may be skipped", (HEAD, HEAD), headers(5) + headers(11))
faults(
    "5.1.2",
    "too-many-streams",
    "more streams than SETTINGS_MAX_CONCURRENT_STREAMS",
    ErrorCode.REFUSED_STREAM,
    headers(1) + headers(3) + headers(5),
    stream=5,
    limits=Limits(max_concurrent_streams=2),
)
faults(
    "5.3.2",
    "headers-self-dependency",
    "a stream cannot depend on itself (RFC 7540 section 5.3.1)",
    PROTOCOL_ERROR,
    frame(
        HEADERS,
        END_STREAM | END_HEADERS | PRIORITY_FLAG,
        1,
        struct.pack(">LB", 1, 255) + block(REQUEST),
    ),
)
faults(
    "5.3.2",
    "priority-self-dependency",
    "nor by PRIORITY",
    PROTOCOL_ERROR,
    headers(1) + frame(PRIORITY, 0, 1, struct.pack(">LB", 1, 255)),
)
dies(
    "5.3.2",
    "priority-self-dependency-idle",
    "nor while idle, when no RST_STREAM may be sent",
    PROTOCOL_ERROR,
    frame(PRIORITY, 0, 1, struct.pack(">LB", 1, 255)),
)
lives(
    "5.3.2",
    "priority-ignored",
    "priorities of any form are accepted and ignored",
    (HEAD,),
    frame(
        HEADERS,
        END_STREAM | END_HEADERS | PRIORITY_FLAG,
        1,
        struct.pack(">LB", 1 << 31 | 3, 0) + block(REQUEST),
    )
    + frame(PRIORITY, 0, 1, struct.pack(">LB", 1 << 31, 255)),
)

# --- 6.1 DATA, 6.2 HEADERS --------------------------------------------------------------------

lives(
    "5.1",
    "reset-by-us-priority",
    "also a PRIORITY of wrong length",
    (HEAD, HEAD),
    headers(1, flags=OPEN),
    reset(1),
    frame(PRIORITY, 0, 1, bytes(4)) + headers(3),
)
dies("6.1", "data-stream-0", "DATA on stream 0", PROTOCOL_ERROR, data(0, b"x"))
dies(
    "6.1",
    "padding-too-long",
    "padding as long as the payload or longer",
    PROTOCOL_ERROR,
    headers(1, flags=OPEN) + data(1, b"\x05four", PADDED),
)
dies(
    "6.1",
    "padding-length-missing",
    "a PADDED frame without Pad Length",
    FRAME_SIZE_ERROR,
    headers(1, flags=OPEN) + data(1, b"", PADDED),
)
lives(
    "6.1",
    "padding-only",
    "a frame may be padding only",
    (HEAD, BODY, BODY),
    headers(1, flags=OPEN) + data(1, b"\x03\0\0\0", PADDED) + data(1, b"\x01xy\0", PADDED | 1),
)
lives(
    "6.2",
    "headers-padded-priority",
    "HEADERS with padding and priority",
    (HEAD,),
    frame(
        HEADERS,
        END_STREAM | END_HEADERS | PADDED | PRIORITY_FLAG,
        1,
        b"\x07" + struct.pack(">LB", 0, 15) + block(REQUEST) + bytes(7),
    ),
)
dies("6.2", "headers-stream-0", "HEADERS on stream 0", PROTOCOL_ERROR, headers(0))
dies(
    "6.2",
    "headers-padding-too-long",
    "padding that exceeds the field block",
    PROTOCOL_ERROR,
    frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, b"\xff" + block(REQUEST)),
)
dies(
    "6.2",
    "headers-priority-cut",
    "HEADERS too short for its priority",
    FRAME_SIZE_ERROR,
    frame(HEADERS, END_STREAM | END_HEADERS | PRIORITY_FLAG, 1, b"\0\0\0"),
)

# --- 6.3 PRIORITY, 6.4 RST_STREAM -------------------------------------------------------------

dies(
    "6.3",
    "priority-stream-0",
    "PRIORITY on stream 0",
    PROTOCOL_ERROR,
    frame(PRIORITY, 0, 0, bytes(5)),
)
faults(
    "6.3",
    "priority-length",
    "PRIORITY of other than 5 octets",
    FRAME_SIZE_ERROR,
    headers(1) + frame(PRIORITY, 0, 1, bytes(4)),
)
dies(
    "6.3",
    "priority-length-idle",
    "the same on an idle stream, where no RST_STREAM may be sent",
    FRAME_SIZE_ERROR,
    frame(PRIORITY, 0, 1, bytes(6)),
)
dies("6.4", "rst-stream-0", "RST_STREAM on stream 0", PROTOCOL_ERROR, rst_stream(0))
dies(
    "6.4",
    "rst-stream-length",
    "RST_STREAM of other than 4 octets",
    FRAME_SIZE_ERROR,
    headers(1) + frame(RST_STREAM, 0, 1, bytes(3)),
)
lives(
    "6.4",
    "rst-stream",
    "RST_STREAM closes the stream",
    (HEAD, "StreamReset"),
    headers(1, flags=OPEN) + rst_stream(1),
)

# --- 6.5 SETTINGS -----------------------------------------------------------------------------

dies(
    "6.5",
    "ack-with-payload",
    "a SETTINGS acknowledgement with a payload",
    FRAME_SIZE_ERROR,
    lambda connection: connection.initiate(),
    frame(SETTINGS, ACK, 0, bytes(6)),
)
dies(
    "6.5",
    "settings-stream",
    "SETTINGS on a stream",
    PROTOCOL_ERROR,
    frame(SETTINGS, 0, 1, bytes(6)),
)
dies(
    "6.5",
    "settings-length",
    "SETTINGS of a length that is no multiple of 6",
    FRAME_SIZE_ERROR,
    frame(SETTINGS, 0, 0, bytes(7)),
)
dies(
    "6.5.2",
    "enable-push",
    "SETTINGS_ENABLE_PUSH other than 0 and 1",
    PROTOCOL_ERROR,
    settings((2, 2)),
)
dies(
    "6.5.2",
    "enable-push-server",
    "SETTINGS_ENABLE_PUSH 1 from a server",
    PROTOCOL_ERROR,
    settings((2, 1)),
    client=True,
)
dies(
    "6.5.2",
    "initial-window",
    "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1",
    FLOW_CONTROL_ERROR,
    settings((4, 2**31)),
)
dies(
    "6.5.2",
    "max-frame-size-low",
    "SETTINGS_MAX_FRAME_SIZE below 2^14",
    PROTOCOL_ERROR,
    settings((5, 2**14 - 1)),
)
dies(
    "6.5.2",
    "max-frame-size-high",
    "SETTINGS_MAX_FRAME_SIZE above 2^24-1",
    PROTOCOL_ERROR,
    settings((5, 2**24)),
)
lives(
    "6.5.2",
    "settings-unknown",
    "unknown settings are ignored",
    ("SettingsReceived",),
    settings((0xFF, 1), (0, 2**32 - 1), (2, 0), (2, 1), (1, 0), (3, 0), (6, 0)),
)
dies(
    "6.5.3",
    "ack-unasked",
    "an acknowledgement of SETTINGS that were never sent",
    PROTOCOL_ERROR,
    frame(SETTINGS, ACK, 0),
)

# --- 6.6 PUSH_PROMISE, 6.7 PING, 6.8 GOAWAY ---------------------------------------------------

dies(
    "8.4",
    "push-from-client",
    "a client cannot push",
    PROTOCOL_ERROR,
    headers(1, flags=OPEN)
    + frame(PUSH_PROMISE, END_HEADERS, 1, bytes((0, 0, 0, 2)) + block(REQUEST)),
)
dies(
    "6.6",
    "push-disabled",
    "a server must not push once it was told so",
    PROTOCOL_ERROR,
    ask,
    frame(PUSH_PROMISE, END_HEADERS, 1, bytes((0, 0, 0, 2)) + block(REQUEST)),
    client=True,
)
dies("6.7", "ping-stream", "PING on a stream", PROTOCOL_ERROR, frame(PING, 0, 1, bytes(8)))
dies(
    "6.7",
    "ping-length",
    "PING of other than 8 octets",
    FRAME_SIZE_ERROR,
    frame(PING, 0, 0, bytes(6)),
)
dies("6.8", "goaway-stream", "GOAWAY on a stream", PROTOCOL_ERROR, frame(GOAWAY, 0, 1, bytes(8)))
dies(
    "6.8",
    "goaway-length",
    "GOAWAY of fewer than 8 octets",
    FRAME_SIZE_ERROR,
    frame(GOAWAY, 0, 0, bytes(7)),
)
dies(
    "6.8",
    "goaway-raised",
    "a second GOAWAY with a higher last stream",
    PROTOCOL_ERROR,
    frame(GOAWAY, 0, 0, struct.pack(">LL", 1, 0)) + frame(GOAWAY, 0, 0, struct.pack(">LL", 3, 0)),
    client=True,
)
lives(
    "6.8",
    "goaway-lowered",
    "a second GOAWAY may lower it",
    ("GoAwayReceived", "GoAwayReceived"),
    frame(GOAWAY, 0, 0, struct.pack(">LL", LARGEST, 0))
    + frame(GOAWAY, 0, 0, struct.pack(">LL", 1, 0) + b"bye"),
    client=True,
)
faults(
    "6.8",
    "stream-after-goaway",
    "streams above our GOAWAY's last are refused",
    ErrorCode.REFUSED_STREAM,
    headers(1),
    say_goaway(),
    headers(3),
    stream=3,
)
lives(
    "6.8",
    "stream-after-graceful-goaway",
    "a GOAWAY with last stream 2^31-1 refuses none",
    (HEAD, HEAD),
    headers(1),
    say_goaway(LARGEST),
    headers(3),
)

# --- 6.9 flow control -------------------------------------------------------------------------

dies(
    "6.9",
    "increment-0-connection",
    "WINDOW_UPDATE by 0, connection",
    PROTOCOL_ERROR,
    window_update(0, 0),
)
faults(
    "6.9",
    "increment-0-stream",
    "WINDOW_UPDATE by 0, stream",
    PROTOCOL_ERROR,
    headers(1) + window_update(1, 0),
)
lives(
    "6.9",
    "increment-reserved-bit",
    "the reserved bit of the increment is ignored",
    (HEAD, "WindowUpdated", "WindowUpdated"),
    headers(1) + window_update(0, 1 << 31 | 1) + window_update(1, 1 << 31 | 1),
)
lives(
    "6.9.2",
    "our-window-shrinks",
    "before the peer acknowledges our smaller window it may use the larger default",
    ("SettingsReceived", HEAD, BODY, "SettingsAcked", BODY),
    lambda connection: connection.initiate(),
    PREFACE + settings() + headers(1, flags=OPEN) + data(1, bytes(1000), 0),
    frame(SETTINGS, ACK, 0) + data(1),
    raw=True,
    limits=Limits(initial_window_size=100),
)
faults(
    "6.9.2",
    "our-window-shrunk",
    "afterwards not",
    FLOW_CONTROL_ERROR,
    lambda connection: connection.initiate(),
    PREFACE + settings() + headers(1, flags=OPEN) + data(1, bytes(1000), 0),
    frame(SETTINGS, ACK, 0) + data(1, b"x"),
    raw=True,
    limits=Limits(initial_window_size=100),
)
dies(
    "6.9",
    "window-update-length",
    "WINDOW_UPDATE of other than 4 octets",
    FRAME_SIZE_ERROR,
    frame(WINDOW_UPDATE, 0, 0, bytes(3)),
)
dies(
    "6.9.1",
    "overflow-connection",
    "the connection's window above 2^31-1",
    FLOW_CONTROL_ERROR,
    window_update(0, LARGEST - 65_535) + window_update(0, 1),
)
faults(
    "6.9.1",
    "overflow-stream",
    "a stream's window above 2^31-1",
    FLOW_CONTROL_ERROR,
    headers(1) + window_update(1, LARGEST - 65_535) + window_update(1, 1),
)
lives(
    "6.9.1",
    "largest-windows",
    "windows of exactly 2^31-1",
    (HEAD, "WindowUpdated", "WindowUpdated"),
    headers(1) + window_update(1, LARGEST - 65_535) + window_update(0, LARGEST - 65_535),
)
dies(
    "6.9.2",
    "initial-window-overflow",
    "SETTINGS_INITIAL_WINDOW_SIZE that lifts an open stream's window above 2^31-1",
    FLOW_CONTROL_ERROR,
    headers(1) + window_update(1, LARGEST - 65_535) + settings((4, 65_536)),
)
dies(
    "6.9.1",
    "data-beyond-connection",
    "DATA beyond the connection's window",
    FLOW_CONTROL_ERROR,
    headers(1, flags=OPEN) + 4 * data(1, bytes(16_384), 0),
    limits=Limits(connection_window=65_535),
)
faults(
    "6.9.1",
    "data-beyond-stream",
    "DATA beyond the stream's window",
    FLOW_CONTROL_ERROR,
    headers(1, flags=OPEN) + data(1, bytes(101), 0),
    limits=Limits(initial_window_size=100),
)
faults(
    "6.9.1",
    "padding-counts",
    "padding takes part of the window too",
    FLOW_CONTROL_ERROR,
    headers(1, flags=OPEN) + data(1, b"\x64" + bytes(100), PADDED),
    limits=Limits(initial_window_size=100),
)
lives(
    "6.9",
    "empty-data-without-window",
    "DATA without payload may be sent whatever the window",
    (HEAD, BODY, BODY),
    headers(1, flags=OPEN) + data(1, bytes(100), 0) + data(1),
    limits=Limits(initial_window_size=100),
)
# --- 6.10 CONTINUATION ------------------------------------------------------------------------

_BLOCK = block(REQUEST)
lives(
    "6.10",
    "continuation",
    "a header block in several frames",
    (HEAD, BODY),
    frame(HEADERS, 0, 1, _BLOCK[:1])
    + frame(CONTINUATION, 0, 1, _BLOCK[1:7])
    + frame(CONTINUATION, 0, 1, b"")
    + frame(CONTINUATION, END_HEADERS, 1, _BLOCK[7:])
    + data(1, b"x"),
)
dies(
    "6.10",
    "continuation-then-data",
    "another frame after CONTINUATION without END_HEADERS",
    PROTOCOL_ERROR,
    frame(HEADERS, 0, 1, _BLOCK[:5]) + frame(CONTINUATION, 0, 1, _BLOCK[5:9]) + data(1, b"x"),
)
dies(
    "6.10",
    "continuation-stream-0",
    "CONTINUATION on stream 0",
    PROTOCOL_ERROR,
    frame(HEADERS, 0, 1, _BLOCK[:5]) + frame(CONTINUATION, END_HEADERS, 0, _BLOCK[5:]),
)
dies(
    "6.10",
    "continuation-other-stream",
    "CONTINUATION on another stream",
    PROTOCOL_ERROR,
    frame(HEADERS, 0, 1, _BLOCK[:5]) + frame(CONTINUATION, END_HEADERS, 3, _BLOCK[5:]),
)
dies(
    "6.10",
    "continuation-after-headers",
    "CONTINUATION after HEADERS with END_HEADERS",
    PROTOCOL_ERROR,
    headers(1, flags=OPEN) + frame(CONTINUATION, END_HEADERS, 1, b""),
)
dies(
    "6.10",
    "continuation-after-end",
    "CONTINUATION after CONTINUATION with END_HEADERS",
    PROTOCOL_ERROR,
    frame(HEADERS, 0, 1, _BLOCK[:5])
    + frame(CONTINUATION, END_HEADERS, 1, _BLOCK[5:])
    + frame(CONTINUATION, END_HEADERS, 1, b""),
)
dies(
    "6.10",
    "continuation-after-data",
    "CONTINUATION after DATA",
    PROTOCOL_ERROR,
    headers(1, flags=OPEN) + data(1, b"x", 0) + frame(CONTINUATION, END_HEADERS, 1, b""),
)

# --- 7 error codes ----------------------------------------------------------------------------

lives(
    "7",
    "unknown-code",
    "unknown error codes trigger nothing special",
    (HEAD, "StreamReset", "GoAwayReceived", "PingReceived"),
    headers(1)
    + rst_stream(1, 0xFF)
    + frame(GOAWAY, 0, 0, struct.pack(">LL", 0, 0xFF))
    + frame(PING, 0, 0, bytes(8)),
)

# --- 8 messages -------------------------------------------------------------------------------

faults(
    "8.1",
    "trailers-without-end",
    "a second HEADERS without END_STREAM",
    PROTOCOL_ERROR,
    headers(1, flags=OPEN) + headers(1, TRAILERS, OPEN),
)
faults(
    "8.1",
    "pseudo-in-trailers",
    "pseudo-header fields in trailers",
    PROTOCOL_ERROR,
    headers(1, flags=OPEN) + headers(1),
)
for label, declared, payloads in (
    ("long", b"1", (b"xx",)),
    ("short", b"9", (b"xx",)),
    ("several", b"3", (b"xx", b"xx")),
):
    faults(
        "8.1.1",
        f"content-length-{label}",
        f"content-length {declared.decode()}, DATA of {' + '.join(str(len(p)) for p in payloads)}",
        PROTOCOL_ERROR,
        headers(1, [*REQUEST, (b"content-length", declared)], OPEN)
        + b"".join(data(1, payload, 0) for payload in payloads[:-1])
        + data(1, payloads[-1]),
    )
faults(
    "8.1.1",
    "content-length-no-data",
    "content-length without any DATA",
    PROTOCOL_ERROR,
    headers(1, [*REQUEST, (b"content-length", b"1")]),
)
faults(
    "8.1.1",
    "content-length-trailers",
    "content-length not reached by the trailers",
    PROTOCOL_ERROR,
    headers(1, [*REQUEST, (b"content-length", b"2")], OPEN)
    + data(1, b"x", 0)
    + headers(1, TRAILERS),
)
lives(
    "8.1.1",
    "content-length",
    "a true content-length; padding does not count",
    (HEAD, BODY, BODY, HEAD),
    headers(1, [*REQUEST, (b"content-length", b"3")], OPEN)
    + data(1, b"\x02xy\0\0", PADDED)
    + data(1, b"z")
    + headers(3, [*REQUEST, (b"content-length", b"0")]),
)

for label, name in (
    ("upper-case", b"X-Test"),
    ("space", b"x test"),
    ("control", b"x\x01"),
    ("del", b"x\x7f"),
    ("high", b"x\xe4"),
    ("colon", b"x:y"),
    ("empty", b""),
):
    faults(
        "8.2.1",
        f"name-{label}",
        f"a field name like {name.decode('latin-1')!r}",
        PROTOCOL_ERROR,
        headers(1, [*REQUEST, (name, b"value")]),
    )
for label, value in (
    ("nul", b"a\0b"),
    ("lf", b"a\nb"),
    ("cr", b"a\rb"),
    ("leading-space", b" a"),
    ("trailing-space", b"a "),
    ("leading-tab", b"\ta"),
    ("trailing-tab", b"a\t"),
):
    faults(
        "8.2.1",
        f"value-{label}",
        f"a field value like {value.decode()!r}",
        PROTOCOL_ERROR,
        headers(1, [*REQUEST, (b"x-test", value)]),
    )
faults(
    "8.2.1",
    "value-trailers",
    "in trailers as well",
    PROTOCOL_ERROR,
    headers(1, flags=OPEN) + headers(1, [(b"x-test", b"a\0b")]),
)
for name in (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"):
    faults(
        "8.2.2",
        name.decode(),
        f"the connection-specific field {name.decode()}",
        PROTOCOL_ERROR,
        headers(1, [*REQUEST, (name, b"x")]),
    )
faults(
    "8.2.2",
    "te",
    "te other than trailers",
    PROTOCOL_ERROR,
    headers(1, replaced(b"te", b"trailers, deflate")),
)
faults(
    "8.3",
    "pseudo-unknown",
    "an undefined pseudo-header field",
    PROTOCOL_ERROR,
    headers(1, [*REQUEST[:4], (b":test", b"x"), *REQUEST[4:]]),
)
faults(
    "8.3",
    "pseudo-of-response",
    "a response's pseudo-header field in a request",
    PROTOCOL_ERROR,
    headers(1, [(b":status", b"200"), *REQUEST]),
)
faults(
    "8.3",
    "pseudo-late",
    "a pseudo-header field after a regular one",
    PROTOCOL_ERROR,
    headers(1, [*REQUEST[1:], REQUEST[0]]),
)
for name in (b":method", b":scheme", b":path", b":authority"):
    faults(
        "8.3",
        f"pseudo-twice-{name.decode()[1:]}",
        f"{name.decode()} twice",
        PROTOCOL_ERROR,
        headers(1, [*REQUEST[:4], next(f for f in REQUEST if f[0] == name), *REQUEST[4:]]),
    )
for name in (b":method", b":scheme", b":path"):
    faults(
        "8.3.1",
        f"without-{name.decode()[1:]}",
        f"a request without {name.decode()}",
        PROTOCOL_ERROR,
        headers(1, without(name)),
    )
faults(
    "8.3.1",
    "no-pseudo",
    "a request without any",
    PROTOCOL_ERROR,
    headers(1, TRAILERS),
)
faults("8.3.1", "empty-block", "a request without any field", PROTOCOL_ERROR, headers(1, ()))
for label, path in (("empty", b""), ("relative", b"package.Service/Method"), ("asterisk", b"*")):
    faults(
        "8.3.1",
        f"path-{label}",
        f"the :path {path.decode()!r} of a POST",
        PROTOCOL_ERROR,
        headers(1, replaced(b":path", path)),
    )
faults(
    "8.3.1",
    "userinfo",
    "an :authority with userinfo",
    PROTOCOL_ERROR,
    headers(1, replaced(b":authority", b"user@localhost")),
)
faults(
    "8.3.1",
    "host-differs",
    "a host field that differs from :authority",
    PROTOCOL_ERROR,
    headers(1, [*REQUEST, (b"host", b"example.org")]),
)
lives(
    "8.3.1",
    "host-same",
    "a host field that agrees, or replaces :authority",
    (HEAD, HEAD),
    headers(1, [*REQUEST, (b"host", b"LOCALHOST")])
    + headers(3, [*without(b":authority"), (b"host", b"localhost")]),
)
lives(
    "8.5",
    "connect",
    "CONNECT with :authority only",
    (HEAD,),
    headers(1, [(b":method", b"CONNECT"), (b":authority", b"localhost:80")], OPEN),
)
faults(
    "8.5",
    "connect-with-path",
    "CONNECT with :scheme or :path",
    PROTOCOL_ERROR,
    headers(1, replaced(b":method", b"CONNECT")),
)
faults(
    "8.5",
    "connect-without-authority",
    "CONNECT without :authority",
    PROTOCOL_ERROR,
    headers(1, [(b":method", b"CONNECT")]),
)

# --- the client's side ------------------------------------------------------------------------

lives(
    "8.1",
    "response",
    "interim responses, response, DATA, trailers",
    (HEAD, HEAD, HEAD, BODY, TAIL),
    ask,
    headers(1, [(b":status", b"103")], OPEN)
    + headers(1, [(b":status", b"100")], OPEN)
    + headers(1, RESPONSE, OPEN)
    + data(1, b"x", 0)
    + headers(1, TRAILERS),
    client=True,
)
lives(
    "8.1",
    "response-only-headers",
    "a response of nothing but HEADERS",
    (HEAD,),
    ask,
    headers(1, RESPONSE),
    client=True,
)
faults(
    "8.1",
    "interim-with-end",
    "an interim response with END_STREAM",
    PROTOCOL_ERROR,
    ask,
    headers(1, [(b":status", b"100")]),
    client=True,
)
faults(
    "8.1",
    "data-before-response",
    "DATA before the response's HEADERS",
    PROTOCOL_ERROR,
    ask,
    data(1, b"x"),
    client=True,
)
dies(
    "5.1",
    "idle-response",
    "a response to no request",
    PROTOCOL_ERROR,
    headers(1, RESPONSE),
    client=True,
)
dies(
    "5.1.1",
    "even-response",
    "a stream of the server's, which may not push",
    PROTOCOL_ERROR,
    ask,
    headers(2, RESPONSE),
    client=True,
)
dies(
    "5.1",
    "response-twice",
    "a second response on a closed stream",
    STREAM_CLOSED,
    ask,
    headers(1, RESPONSE) + headers(1, RESPONSE),
    client=True,
)
faults(
    "5.1",
    "response-after-end",
    "a second response while our side is open",
    STREAM_CLOSED,
    ask_open,
    headers(1, RESPONSE) + headers(1, RESPONSE),
    client=True,
)
faults(
    "8.3.2",
    "no-status",
    "a response without :status",
    PROTOCOL_ERROR,
    ask,
    headers(1, TRAILERS),
    client=True,
)
for label, status in (("short", b"20"), ("word", b"abc"), ("zero", b"000"), ("long", b"2000")):
    faults(
        "8.3.2",
        f"status-{label}",
        f"the :status {status.decode()!r}",
        PROTOCOL_ERROR,
        ask,
        headers(1, [(b":status", status)]),
        client=True,
    )
faults(
    "8.3.2",
    "request-pseudo",
    "a request's pseudo-header field in a response",
    PROTOCOL_ERROR,
    ask,
    headers(1, [(b":status", b"200"), (b":path", b"/")]),
    client=True,
)
faults(
    "8.2.2",
    "te-in-response",
    "te in a response",
    PROTOCOL_ERROR,
    ask,
    headers(1, [*RESPONSE, (b"te", b"trailers")]),
    client=True,
)
faults(
    "8.6",
    "status-101",
    ":status 101, which HTTP/2 does not have",
    PROTOCOL_ERROR,
    ask,
    headers(1, [(b":status", b"101")], OPEN),
    client=True,
)
faults(
    "8.1.1",
    "response-content-length",
    "a response's content-length and DATA differ",
    PROTOCOL_ERROR,
    ask,
    headers(1, [*RESPONSE, (b"content-length", b"5")], OPEN) + data(1, b"four"),
    client=True,
)
lives(
    "8.1.1",
    "response-304",
    "304 may declare a length it does not send",
    (HEAD,),
    ask,
    headers(1, [(b":status", b"304"), (b"content-length", b"5")]),
    client=True,
)

# --- RFC 7541 ---------------------------------------------------------------------------------


def raw_block(octets: bytes) -> bytes:
    """HEADERS with ``octets`` behind a sound request's block."""
    return frame(HEADERS, END_STREAM | END_HEADERS, 1, block(REQUEST) + octets)


for label, rule, octets in (
    ("index-unknown", "an index beyond both tables", b"\xff\x0f"),
    ("name-index-unknown", "the same for a name", b"\x7f\x30\x01a"),
):
    dies("HPACK 2.3.3", label, rule, COMPRESSION_ERROR, raw_block(octets))
dies(
    "HPACK 4.2",
    "update-late",
    "a table size update after a field",
    COMPRESSION_ERROR,
    raw_block(b"\x20"),
)
dies(
    "HPACK 4.2",
    "update-missing",
    "no table size update after our limit shrank and was acknowledged",
    COMPRESSION_ERROR,
    headers(1),
    limits=Limits(header_table_size=0),
)
lives(
    "HPACK 4.2",
    "update-made",
    "the update makes the same block right",
    (HEAD,),
    frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x20" + block(REQUEST)),
    limits=Limits(header_table_size=0),
)
for label, rule, octets in (
    ("integer-long", "an integer of too many octets", b"\xff" + b"\x80" * 8 + b"\x01"),
    ("integer-cut", "an integer that the block's end cuts off", b"\xff\x80"),
):
    dies("HPACK 5.1", label, rule, COMPRESSION_ERROR, raw_block(octets))
for label, rule, octets in (
    ("string-cut", "a string that the block's end cuts off", b"\x00\x05abc"),
    ("value-missing", "a field without a value", b"\x00\x01a"),
    ("huffman-padding-long", "Huffman padding of more than 7 bits", b"\x00\x01a\x82\x1f\xff"),
    ("huffman-padding-zeros", "Huffman padding other than ones", b"\x00\x01a\x81\x18"),
    ("huffman-eos", "the Huffman code of EOS", b"\x00\x01a\x84\xff\xff\xff\xff"),
):
    dies("HPACK 5.2", label, rule, COMPRESSION_ERROR, raw_block(octets))
dies("HPACK 6.1", "index-0", "an indexed field of index 0", COMPRESSION_ERROR, raw_block(b"\x80"))
dies(
    "HPACK 6.3",
    "update-too-large",
    "a table size update above SETTINGS_HEADER_TABLE_SIZE",
    COMPRESSION_ERROR,
    frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x3f\xe2\x1f" + block(REQUEST)),
)
lives(
    "HPACK 6.3",
    "update",
    "table size updates up to it, several at a block's start",
    (HEAD,),
    frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x20\x3f\xe1\x1f" + block(REQUEST)),
)
dies(
    "HPACK 4.1",
    "block-of-refused-stream",
    "blocks of refused streams are decoded, so errors in them count",
    COMPRESSION_ERROR,
    headers(1),
    frame(HEADERS, 5, 3, b"\x80"),
    limits=Limits(max_concurrent_streams=1),
)


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_rule(case: Case, bytewise: bool) -> None:
    peer = Peer(client=case.client, limits=case.limits, raw=case.raw, bytewise=bytewise)
    peer.run(case.steps)

    if case.error is not None:
        assert peer.error is not None, peer.events
        assert peer.error.code is case.error, peer.error
        last = peer.sent[-1]
        assert last.kind == GOAWAY
        assert last.payload[4:8] == struct.pack(">L", case.error)
        assert not any(isinstance(event, StreamFault) for event in peer.events)
        return
    assert peer.error is None
    faults = [event for event in peer.events if isinstance(event, StreamFault)]
    if case.fault is not None:
        stream_id, code = case.fault
        assert [(fault.stream_id, fault.code) for fault in faults] == [case.fault]
        resets = [sent for sent in peer.sent if sent.kind == RST_STREAM]
        assert [(sent.stream_id, sent.payload) for sent in resets] == [
            (stream_id, struct.pack(">L", code))
        ]
        assert stream_id not in peer.connection.streams
    if case.events is not None:
        assert tuple(type(event).__name__ for event in peer.events) == case.events


def test_names_are_unique() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
