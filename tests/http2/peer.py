"""A scripted peer for one ``Connection`` under test: raw frames in, parsed frames out.

It builds frames on its own, so that the code under test is not checked against itself.
"""

import os
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

import hypothesis
from hpack import Encoder

from ftbridge.http2 import Connection, Event, Limits, ProtocolError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE = range(9)
CONTINUATION = 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 0x1, 0x1, 0x4, 0x8, 0x20

REQUEST = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/package.Service/Method"),
    (b":authority", b"localhost"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)
RESPONSE = ((b":status", b"200"), (b"content-type", b"application/grpc"))
TRAILERS = ((b"grpc-status", b"0"),)

FUZZ_EXAMPLES = int(os.environ.get("FTBRIDGE_FUZZ", "0"))


def examples(count: int) -> hypothesis.settings:
    """Decorator of a property test: the same ``count`` examples in each run, however slow the
    machine. With FTBRIDGE_FUZZ=n in the environment: n new ones each time, to search for more."""
    return hypothesis.settings(
        max_examples=FUZZ_EXAMPLES or count, derandomize=not FUZZ_EXAMPLES, deadline=None
    )


type Fields = Sequence[tuple[bytes, bytes]]
type Step = bytes | Callable[[Connection], None]


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">L", stream_id)
    ) + payload


def block(fields: Fields) -> bytes:
    """A header block that uses no dynamic table."""
    return Encoder().encode([(*field, True) for field in fields], huffman=False)


def headers(
    stream_id: int, fields: Fields = REQUEST, flags: int = END_STREAM | END_HEADERS
) -> bytes:
    return frame(HEADERS, flags, stream_id, block(fields))


def data(stream_id: int, payload: bytes = b"", flags: int = END_STREAM) -> bytes:
    return frame(DATA, flags, stream_id, payload)


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *pair) for pair in pairs))


def window_update(stream_id: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">L", increment))


def rst_stream(stream_id: int, code: int = 8) -> bytes:
    return frame(RST_STREAM, 0, stream_id, struct.pack(">L", code))


def without(name: bytes, fields: Fields = REQUEST) -> Fields:
    return [field for field in fields if field[0] != name]


def replaced(name: bytes, value: bytes, fields: Fields = REQUEST) -> Fields:
    return [(name, value) if field[0] == name else field for field in fields]


class Frame(NamedTuple):
    kind: int
    flags: int
    stream_id: int
    payload: bytes


def parse(octets: bytes) -> list[Frame]:
    """The frames in ``octets``, which must hold nothing else."""
    result = []
    pos = 0
    while pos < len(octets):
        length = int.from_bytes(octets[pos : pos + 3], "big")
        kind, flags = octets[pos + 3], octets[pos + 4]
        stream_id = int.from_bytes(octets[pos + 5 : pos + 9], "big")
        payload = octets[pos + 9 : pos + 9 + length]
        assert len(payload) == length, "a frame is cut off"
        result.append(Frame(kind, flags, stream_id, payload))
        pos += 9 + length
    return result


class Peer:
    """Plays the other side of ``connection`` and does what an owner must do.

    Attributes:
        connection: under test; its SETTINGS and ours are exchanged already unless ``raw``.
        events: all it reported since, in order.
        error: the connection error that ended it.
        sent: all frames it sent since.
    """

    def __init__(
        self,
        *,
        client: bool = False,
        limits: Limits | None = None,
        raw: bool = False,
        settings_payload: Sequence[tuple[int, int]] = (),
        bytewise: bool = False,
    ) -> None:
        self.connection = Connection(client=client, limits=limits or Limits())
        self.bytewise = bytewise
        self.events: list[Event] = []
        self.error: ProtocolError | None = None
        self.sent: list[Frame] = []
        self.drained: list[int] = []
        if raw:
            return
        self.connection.initiate()
        self.connection.take_outgoing()
        self.feed((b"" if client else PREFACE) + settings(*settings_payload))
        self.feed(frame(SETTINGS, ACK, 0))
        self.events.clear()
        self.sent.clear()

    def feed(self, octets: bytes, now: float = 0.0) -> list[Event]:
        """Deliver ``octets``, apply what comes of them; the new events."""
        before = len(self.events)
        pieces = [octets[i : i + 1] for i in range(len(octets))] if self.bytewise else [octets]
        for piece in pieces:
            if self.error is not None:
                break
            try:
                new = self.connection.receive(piece, now)
            except ProtocolError as error:
                new = error.events
                self.error = error
            self.events += new
            for event in new:
                self.drained += [stream.id for stream in self.connection.apply(event)]
            if self.error is not None:
                self.connection.goaway(self.error.code, self.error.reason.encode())
        self.collect()
        return self.events[before:]

    def run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, bytes):
                self.feed(step)
            else:
                step(self.connection)
                self.collect()

    def collect(self) -> list[Frame]:
        """What the connection sent since the last look."""
        new = parse(b"".join(self.connection.take_outgoing()))
        self.sent += new
        return new
