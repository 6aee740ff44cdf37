"""Conversations with ``h2`` as the peer, in both roles: whatever one sends the other understands.

Hypothesis chooses calls, sizes, windows and the order of things; everything sent must arrive
whole, in order and without complaint of either side.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    PingAckReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
)
from h2.events import (
    DataReceived as H2Data,
)
from h2.events import (
    StreamReset as H2Reset,
)
from h2.events import (
    TrailersReceived as H2Trailers,
)
from h2.exceptions import ProtocolError as H2ProtocolError
from h2.settings import SettingCodes
from http2.peer import (
    PREFACE,
    REQUEST,
    RESPONSE,
    TRAILERS,
    WINDOW_UPDATE,
    block,
    examples,
    frame,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from ftbridge.http2 import (
    Connection,
    DataReceived,
    ErrorCode,
    Event,
    GoAwayReceived,
    HeadersReceived,
    Limits,
    PingAcked,
    ProtocolError,
    SettingsAcked,
    Stream,
    StreamReset,
    TrailersReceived,
)


def frame_by_frame(octets: bytes) -> list[bytes]:
    """h2 applies an acknowledged SETTINGS_MAX_FRAME_SIZE only from its next input on."""
    preface = PREFACE if octets.startswith(PREFACE) else b""
    return [preface, *(frame(*sent) for sent in parse(octets.removeprefix(preface)))]


@dataclass
class Talk:
    """One connection of ours and one of h2's, wired together in memory."""

    ours: Connection
    theirs: H2Connection
    chunk: int = 0
    got: defaultdict[int, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    heads: dict[int, tuple[tuple[bytes, bytes], ...]] = field(default_factory=dict)
    trailers: dict[int, tuple[tuple[bytes, bytes], ...]] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    streams: dict[int, Stream] = field(default_factory=dict)
    other: list[Event] = field(default_factory=list)
    h2_got: defaultdict[int, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    h2_heads: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    h2_trailers: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    h2_ended: set[int] = field(default_factory=set)
    h2_other: list[object] = field(default_factory=list)
    h2_waiting: dict[int, tuple[bytes, tuple[tuple[bytes, bytes], ...]]] = field(
        default_factory=dict
    )

    def pump(self) -> None:
        """Carry octets to and fro until both are silent."""
        while True:
            to_us = self.theirs.data_to_send()
            size = self.chunk or max(len(to_us), 1)
            for start in range(0, len(to_us), size):
                for event in self.ours.receive(to_us[start : start + size]):
                    self.take(event)
            to_them = b"".join(self.ours.take_outgoing())
            for octets in frame_by_frame(to_them):
                for h2_event in self.theirs.receive_data(octets):
                    self.h2_take(h2_event)
            if not self.h2_flush() and not to_us and not to_them:
                return

    def take(self, event: Event) -> None:
        match event:
            case HeadersReceived(stream, headers, ended):
                self.streams[stream.id] = stream
                self.heads[stream.id] = (*headers.pseudo.items(), *headers.fields)
                if ended:
                    self.ended.add(stream.id)
            case DataReceived(stream, data, flow_bytes, ended):
                self.got[stream.id] += data
                self.ours.credit(stream, flow_bytes)
                if ended:
                    self.ended.add(stream.id)
            case TrailersReceived(stream, headers):
                self.trailers[stream.id] = headers.fields
                self.ended.add(stream.id)
            case _:
                self.other.append(event)
                self.ours.apply(event)

    def h2_take(self, event: object) -> None:
        match event:
            case RequestReceived() | ResponseReceived():
                self.h2_heads[event.stream_id] = [(name, value) for name, value in event.headers]
            case H2Data():
                self.h2_got[event.stream_id] += event.data
                if event.flow_controlled_length:
                    self.theirs.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
            case H2Trailers():
                self.h2_trailers[event.stream_id] = [(name, value) for name, value in event.headers]
            case StreamEnded():
                self.h2_ended.add(event.stream_id)
            case _:
                self.h2_other.append(event)

    def h2_send(
        self, stream_id: int, data: bytes, trailers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        self.h2_waiting[stream_id] = (data, trailers)

    def h2_flush(self) -> bool:
        """Send what h2's windows allow; True if anything went."""
        progress = False
        for stream_id, (data, trailers) in list(self.h2_waiting.items()):
            while True:
                room = min(
                    self.theirs.local_flow_control_window(stream_id),
                    self.theirs.max_outbound_frame_size,
                )
                piece, data = data[:room], data[room:]
                if not piece and data:
                    break
                progress = True
                last = not data and not trailers
                padding = 7 if len(piece) + 8 <= room and len(piece) % 3 == 0 else None
                self.theirs.send_data(stream_id, piece, end_stream=last, pad_length=padding)
                if not data:
                    if trailers:
                        self.theirs.send_headers(stream_id, trailers, end_stream=True)
                    break
            if data:
                self.h2_waiting[stream_id] = (data, trailers)
            else:
                del self.h2_waiting[stream_id]
        return progress


def start(*, we_are_client: bool, limits: Limits, chunk: int = 0, window: int = 65_535) -> Talk:
    theirs = H2Connection(H2Configuration(client_side=not we_are_client, header_encoding=None))
    talk = Talk(Connection(client=we_are_client, limits=limits), theirs, chunk)
    talk.ours.initiate()
    theirs.initiate_connection()
    theirs.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
    talk.pump()
    assert any(isinstance(event, SettingsAcked) for event in talk.other)
    return talk


SIZES = st.sampled_from([0, 1, 100, 5000, 16_384, 16_385, 70_000, 200_000])
WINDOWS = st.sampled_from([1000, 65_535, 2**20])
LIMITS = st.builds(
    Limits,
    initial_window_size=st.sampled_from([100, 65_535, 2**20]),
    connection_window=st.sampled_from([65_535, 2**24]),
    max_frame_size=st.sampled_from([16_384, 65_536]),
    header_table_size=st.sampled_from([0, 200, 4096, 65_536]),
)
CHUNKS = st.sampled_from([0, 1000, 16_384])
CALLS = st.lists(st.tuples(SIZES, SIZES, st.booleans()), min_size=1, max_size=4)


def body(size: int, seed: int) -> bytes:
    return bytes((seed + n) % 251 for n in range(min(size, 251))) * (size // 251 + 1)


@examples(40)
@given(CALLS, LIMITS, WINDOWS, CHUNKS)
def test_h2_as_client(
    calls: list[tuple[int, int, bool]], limits: Limits, window: int, chunk: int
) -> None:
    talk = start(we_are_client=False, limits=limits, window=window, chunk=chunk)
    for number, (request_size, _, with_trailers) in enumerate(calls):
        stream_id = 1 + 2 * number
        talk.theirs.send_headers(stream_id, [*REQUEST, (b"x-call", b"%d" % (number // 2))])
        data = body(request_size, number)[:request_size]
        talk.h2_send(stream_id, data, TRAILERS if with_trailers else ())
    talk.pump()
    for number, (request_size, response_size, _) in enumerate(calls):
        stream_id = 1 + 2 * number
        assert talk.heads[stream_id] == (*REQUEST, (b"x-call", b"%d" % (number // 2)))
        assert talk.got[stream_id] == body(request_size, number)[:request_size]
        data = body(response_size, number + 7)[:response_size]
        talk.ours.send_response(talk.streams[stream_id], block(RESPONSE), data, block(TRAILERS))
    talk.pump()
    for number, (_, response_size, with_trailers) in enumerate(calls):
        stream_id = 1 + 2 * number
        assert (stream_id in talk.trailers) == with_trailers
        assert talk.h2_heads[stream_id] == list(RESPONSE)
        assert talk.h2_got[stream_id] == body(response_size, number + 7)[:response_size]
        assert talk.h2_trailers[stream_id] == list(TRAILERS)
    assert talk.h2_ended == talk.ended == {1 + 2 * number for number in range(len(calls))}
    assert talk.ours.streams == {}


@examples(40)
@given(CALLS, LIMITS, WINDOWS, CHUNKS)
def test_h2_as_server(
    calls: list[tuple[int, int, bool]], limits: Limits, window: int, chunk: int
) -> None:
    talk = start(we_are_client=True, limits=limits, window=window, chunk=chunk)
    for number, (request_size, _, with_trailers) in enumerate(calls):
        stream = talk.ours.open_stream()
        talk.ours.send_headers(stream, block(REQUEST))
        data = body(request_size, number)[:request_size]
        talk.ours.send_data(stream, data, end_stream=not with_trailers)
        if with_trailers:
            talk.ours.send_trailers(stream, block(TRAILERS))
    talk.pump()
    for number, (request_size, response_size, with_trailers) in enumerate(calls):
        stream_id = 1 + 2 * number
        assert talk.h2_heads[stream_id] == list(REQUEST)
        assert talk.h2_got[stream_id] == body(request_size, number)[:request_size]
        assert (stream_id in talk.h2_trailers) == with_trailers
        talk.theirs.send_headers(stream_id, RESPONSE)
        data = body(response_size, number + 7)[:response_size]
        talk.h2_send(stream_id, data, TRAILERS if with_trailers else ())
    talk.pump()
    for number, (_, response_size, with_trailers) in enumerate(calls):
        stream_id = 1 + 2 * number
        assert talk.heads[stream_id] == RESPONSE
        assert talk.got[stream_id] == body(response_size, number + 7)[:response_size]
        assert (stream_id in talk.trailers) == with_trailers
    assert talk.h2_ended == talk.ended == {1 + 2 * number for number in range(len(calls))}
    assert talk.ours.streams == {}


@pytest.mark.parametrize("we_are_client", [True, False])
def test_ping_reset_and_goaway(we_are_client: bool) -> None:
    talk = start(we_are_client=we_are_client, limits=Limits())
    talk.ours.ping(b"12345678")
    talk.theirs.ping(b"abcdefgh")
    if we_are_client:
        for _ in range(2):
            talk.ours.send_headers(talk.ours.open_stream(), block(REQUEST))
    else:
        for stream_id in (1, 3):
            talk.theirs.send_headers(stream_id, REQUEST)
    talk.pump()
    assert PingAcked(b"12345678") in talk.other
    assert any(isinstance(e, PingAckReceived) and e.ping_data == b"abcdefgh" for e in talk.h2_other)

    talk.theirs.reset_stream(1, error_code=8)
    talk.ours.reset_stream(3, ErrorCode.CANCEL)
    talk.pump()
    assert [e.code for e in talk.other if isinstance(e, StreamReset)] == [8]
    assert [(e.stream_id, e.error_code) for e in talk.h2_other if isinstance(e, H2Reset)] == [
        (3, 8)
    ]
    assert talk.ours.streams == {}

    talk.ours.goaway(ErrorCode.NO_ERROR, b"bye")
    to_them = b"".join(talk.ours.take_outgoing())
    (terminated,) = talk.theirs.receive_data(to_them)
    assert isinstance(terminated, ConnectionTerminated)
    assert terminated.additional_data == b"bye"
    assert terminated.last_stream_id == (0 if we_are_client else 3)


def test_goaway_from_h2() -> None:
    talk = start(we_are_client=True, limits=Limits())
    talk.theirs.close_connection(2, b"why", last_stream_id=0)
    talk.pump()
    assert GoAwayReceived(0, 2, b"why") in talk.other


def test_h2_changes_its_settings_in_the_middle() -> None:
    """Smaller and larger windows, frames and header tables while data waits."""
    talk = start(we_are_client=False, limits=Limits(), window=1000)
    talk.theirs.send_headers(1, REQUEST, end_stream=True)
    talk.pump()
    data = body(100_000, 3)[:100_000]
    stream = talk.streams[1]
    talk.ours.send_headers(stream, block(RESPONSE))
    talk.ours.send_data(stream, data)
    talk.ours.send_trailers(stream, block(TRAILERS))
    for window, frame_size, table in ((10, 16_384, 0), (30_000, 20_000, 4096), (1, 16_384, 100)):
        talk.theirs.update_settings(
            {
                SettingCodes.INITIAL_WINDOW_SIZE: window,
                SettingCodes.MAX_FRAME_SIZE: frame_size,
                SettingCodes.HEADER_TABLE_SIZE: table,
            }
        )
        to_us = talk.theirs.data_to_send()
        for event in talk.ours.receive(to_us):
            talk.take(event)
    talk.pump()
    # Both now see the same negative window (6.9.2), and h2 waits for a reason to open it.
    assert len(talk.h2_got[1]) == 30_000 == len(data) - stream.queued
    talk.theirs.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 200_000})
    talk.pump()
    assert talk.h2_got[1] == data
    assert talk.h2_trailers[1] == list(TRAILERS)


@examples(100)
@given(st.binary(max_size=60), st.integers(0, 9), st.integers(0, 255), st.integers(0, 5))
def test_what_h2_refuses_we_do_not_accept_in_silence(
    payload: bytes, kind: int, flags: int, stream_id: int
) -> None:
    """One arbitrary frame after a request: where h2 sees a connection error, we see some error.

    The other way round there are differences: we check more than h2 does.
    """
    if kind == WINDOW_UPDATE and payload:
        payload = bytes([payload[0] & 0x7F]) + payload[1:]  # h2 does not ignore the reserved bit
    octets = frame(kind, flags, stream_id, payload)
    talk = start(we_are_client=False, limits=Limits())
    judge = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    judge.initiate_connection()
    client = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    client.initiate_connection()
    judge.receive_data(client.data_to_send())
    client.send_headers(1, REQUEST)
    request = client.data_to_send()
    judge.receive_data(request)
    for event in talk.ours.receive(request):
        talk.take(event)
    try:
        judge.receive_data(octets)
    except H2ProtocolError:
        refused = True
    else:
        refused = False
    try:
        events = talk.ours.receive(octets)
    except ProtocolError:
        return
    if refused:
        assert any(type(event).__name__ == "StreamFault" for event in events), octets
