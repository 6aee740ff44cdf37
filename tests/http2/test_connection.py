"""The connection as its owner sees it: opening, applying events, credit, stopping."""

import struct

import pytest
from http2.peer import (
    ACK,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    REQUEST,
    RESPONSE,
    RST_STREAM,
    SETTINGS,
    TRAILERS,
    WINDOW_UPDATE,
    Frame,
    Peer,
    block,
    data,
    frame,
    headers,
    parse,
    rst_stream,
    settings,
    window_update,
)

from ftbridge.http2 import (
    Connection,
    DataReceived,
    ErrorCode,
    GoAwayReceived,
    HeadersReceived,
    Limits,
    PingAcked,
    ProtocolError,
    StreamFault,
    StreamRefused,
    TrailersReceived,
)
from ftbridge.http2.shared import Shared

OPEN = END_HEADERS


def settings_of(sent: Frame) -> dict[int, int]:
    assert sent.kind == SETTINGS
    return dict(struct.iter_unpack(">HL", sent.payload))


def test_server_preface() -> None:
    connection = Connection()
    connection.initiate()
    first, second = parse(b"".join(connection.take_outgoing()))
    assert settings_of(first) == {3: 4096, 4: 2**20, 5: 65_536, 6: 32_768}
    assert second == Frame(WINDOW_UPDATE, 0, 0, struct.pack(">L", 2**24 - 65_535))


def test_client_preface() -> None:
    connection = Connection(client=True, limits=Limits(header_table_size=0, max_frame_size=16_384))
    connection.initiate()
    octets = b"".join(connection.take_outgoing())
    assert octets.startswith(PREFACE)
    assert settings_of(parse(octets[len(PREFACE) :])[0]) == {1: 0, 2: 0, 4: 2**20, 6: 32_768}


def test_settings_and_ping_are_acknowledged() -> None:
    peer = Peer()
    peer.feed(settings((4, 1)) + frame(PING, 0, 0, b"12345678") + frame(PING, ACK, 0, b"abcdefgh"))
    assert peer.sent == [Frame(SETTINGS, ACK, 0, b""), Frame(PING, ACK, 0, b"12345678")]
    assert peer.events[-1] == PingAcked(b"abcdefgh")


def test_ping() -> None:
    peer = Peer()
    peer.connection.ping(b"abcdefgh")
    assert peer.collect() == [Frame(PING, 0, 0, b"abcdefgh")]
    with pytest.raises(ValueError, match="8 octets, not 3"):
        peer.connection.ping(b"abc")


def test_events_before_an_error_are_kept() -> None:
    peer = Peer(bytewise=False)
    with pytest.raises(ProtocolError) as caught:
        peer.connection.receive(headers(1) + frame(PING, 0, 1, bytes(8)))
    assert [type(event) for event in caught.value.events] == [HeadersReceived]
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR
    assert "PING on stream 1" in caught.value.reason
    with pytest.raises(ProtocolError) as again:
        peer.connection.receive(headers(3))
    assert again.value is caught.value


# --- credit -----------------------------------------------------------------------------------


def test_credit_gathers_half_a_window() -> None:
    peer = Peer(limits=Limits(initial_window_size=1000, connection_window=65_535))
    peer.feed(headers(1, flags=OPEN))
    stream = peer.connection.streams[1]
    peer.connection.credit(stream, 499)
    assert peer.collect() == []
    peer.connection.credit(stream, 1)
    assert peer.collect() == [Frame(WINDOW_UPDATE, 0, 1, struct.pack(">L", 500))]
    peer.connection.credit(None, 32_268)
    assert peer.collect() == [Frame(WINDOW_UPDATE, 0, 0, struct.pack(">L", 32_768))]


def test_credit_lets_an_endless_stream_pass() -> None:
    """No honest peer is ever accused, however the windows move (shared.py)."""
    peer = Peer(limits=Limits(initial_window_size=100, connection_window=65_535))
    peer.feed(headers(1, flags=OPEN))
    window = 100
    total = 0
    while total < 200_000:
        size = min(window, 40)
        for event in peer.feed(data(1, b"\x03" + bytes(size - 1), PADDED)):
            assert isinstance(event, DataReceived)
            assert (len(event.data), event.flow_bytes) == (size - 4, size)
            peer.connection.credit(event.stream, event.flow_bytes)
        total += size
        window -= size
        for sent in peer.collect():
            if sent.stream_id == 1:
                window += int.from_bytes(sent.payload, "big")
    assert peer.error is None


def test_no_credit_for_an_ended_stream() -> None:
    peer = Peer(limits=Limits(initial_window_size=10))
    peer.feed(headers(1, flags=OPEN) + data(1, bytes(10)))
    peer.connection.credit(peer.connection.streams[1], 10)
    assert peer.collect() == []


def test_discarded_data_is_counted_and_credited() -> None:
    """RFC 9113 section 5.1: DATA on a stream that we reset still takes the connection's window."""
    peer = Peer(limits=Limits(connection_window=65_535))
    peer.feed(headers(1, flags=OPEN))
    peer.connection.reset_stream(1, ErrorCode.CANCEL)
    peer.collect()
    peer.sent.clear()
    peer.feed(2 * data(1, bytes(16_384), 0))
    assert peer.sent == [Frame(WINDOW_UPDATE, 0, 0, struct.pack(">L", 32_768))]


def test_discarded_data_without_credit_exhausts_the_window() -> None:
    connection = Connection(limits=Limits(connection_window=65_535))
    connection.initiate()
    connection.receive(PREFACE + settings() + headers(1, flags=OPEN))
    connection.reset_stream(1, ErrorCode.CANCEL)
    connection.receive(data(1, bytes(65_535), 0))
    with pytest.raises(ProtocolError) as caught:
        connection.receive(data(1, b"x", 0))
    assert caught.value.code is ErrorCode.FLOW_CONTROL_ERROR


# --- resets -----------------------------------------------------------------------------------


def test_reset_stream() -> None:
    peer = Peer()
    peer.feed(headers(1, flags=OPEN))
    stream = peer.connection.streams[1]
    peer.connection.reset_stream(1, ErrorCode.CANCEL)
    peer.connection.reset_stream(1, ErrorCode.INTERNAL_ERROR)
    assert peer.collect() == [Frame(RST_STREAM, 0, 1, struct.pack(">L", 8))]
    assert stream.reset
    assert peer.connection.streams == {}


def test_reset_of_a_closed_or_unknown_stream_sends_nothing() -> None:
    peer = Peer()
    peer.feed(headers(1))
    peer.connection.send_response(peer.connection.streams[1], block(RESPONSE), b"", block(TRAILERS))
    peer.feed(headers(3, flags=OPEN) + rst_stream(3))
    peer.collect()
    for stream_id in (1, 3, 5):
        peer.connection.reset_stream(stream_id, ErrorCode.CANCEL)
    assert peer.collect() == []
    peer.feed(headers(5))
    assert 5 in peer.connection.streams, "an id nobody used was not burnt"


def test_reset_after_a_whole_response() -> None:
    """RFC 9113 section 8.1: a server may answer early and then stop the request's body."""
    peer = Peer()
    peer.feed(headers(1, flags=OPEN))
    peer.connection.send_response(peer.connection.streams[1], block(RESPONSE), b"", block(TRAILERS))
    peer.connection.reset_stream(1, ErrorCode.NO_ERROR)
    assert peer.collect()[-1] == Frame(RST_STREAM, 0, 1, bytes(4))
    assert peer.connection.streams == {}


def test_fault_answered_by_hand_or_by_apply() -> None:
    for by_hand in (True, False):
        connection = Connection()
        connection.initiate()
        connection.receive(PREFACE + settings())
        connection.take_outgoing()
        (fault,) = connection.receive(headers(1, [(b"x", b"y")]))
        assert isinstance(fault, StreamFault)
        assert fault.stream is None
        if by_hand:
            connection.reset_stream(fault.stream_id, fault.code)
        connection.apply(fault)
        connection.reset_stream(fault.stream_id, fault.code)
        sent = parse(b"".join(connection.take_outgoing()))
        assert sent == [Frame(RST_STREAM, 0, 1, struct.pack(">L", 1))]


def test_fault_wakes_the_writer() -> None:
    peer = Peer(settings_payload=[(4, 1)])
    peer.feed(headers(1, flags=OPEN))
    stream = peer.connection.streams[1]
    peer.connection.send_headers(stream, block(RESPONSE))
    peer.connection.send_data(stream, b"abc")
    peer.feed(window_update(1, 0))
    assert peer.drained == [1]
    assert stream.reset
    assert stream.queued == 0


# --- stopping ---------------------------------------------------------------------------------


def goaways(peer: Peer) -> list[tuple[int, int]]:
    return [struct.unpack(">LL", f.payload[:8]) for f in peer.sent if f.kind == GOAWAY]


def test_graceful_goaway() -> None:
    peer = Peer()
    peer.connection.goaway(0, last_stream_id=2**31 - 1)
    peer.feed(headers(1) + headers(3))
    peer.connection.goaway(0)
    peer.feed(headers(5))
    peer.connection.goaway(0, b"bye")
    peer.collect()
    assert goaways(peer) == [(2**31 - 1, 0), (3, 0), (3, 0)], "never raised (6.8)"
    assert sorted(peer.connection.streams) == [1, 3]
    assert peer.sent[-1].payload[8:] == b"bye"


def test_goaway_counts_a_stream_that_opens_meanwhile() -> None:
    """The reader may announce a stream between our look at ``highest`` and our word to it."""

    class Racing(Shared):
        __slots__ = ("looks",)

        @property
        def highest(self) -> int:
            return self.looks.pop(0) if len(self.looks) > 1 else int(self.looks[0])

        @highest.setter
        def highest(self, value: int) -> None:
            self.looks = [value]

    peer = Peer()
    shared = Racing(client=False, limits=Limits())
    shared.looks = [1, 3]
    peer.connection._shared = shared
    peer.connection.goaway(0)
    peer.collect()
    assert goaways(peer) == [(3, 0)]
    assert shared.goaway_last == 3


def test_goaway_before_any_stream() -> None:
    peer = Peer()
    peer.connection.goaway(ErrorCode.ENHANCE_YOUR_CALM)
    peer.collect()
    assert goaways(peer) == [(0, 11)]


def test_open_streams_finish_after_goaway() -> None:
    peer = Peer()
    peer.feed(headers(1, flags=OPEN))
    peer.connection.goaway(0)
    assert [type(e) for e in peer.feed(data(1, b"x", 0) + headers(1, TRAILERS))] == [
        DataReceived,
        TrailersReceived,
    ]


# --- client -----------------------------------------------------------------------------------


def test_client_streams_have_odd_ids_in_order() -> None:
    peer = Peer(client=True)
    for expected in (1, 3, 5):
        stream = peer.connection.open_stream()
        peer.connection.send_headers(stream, block(REQUEST))
        assert stream.id == expected
    assert [(f.kind, f.stream_id) for f in peer.collect()] == [
        (HEADERS, 1),
        (HEADERS, 3),
        (HEADERS, 5),
    ]


def test_client_respects_max_concurrent_streams() -> None:
    """RFC 9113 section 5.1.2."""
    peer = Peer(client=True, settings_payload=[(3, 1)])
    stream = peer.connection.open_stream()
    peer.connection.send_headers(stream, block(REQUEST), end_stream=True)
    with pytest.raises(StreamRefused, match="the peer allows 1") as caught:
        peer.connection.open_stream()
    assert not caught.value.permanent
    peer.feed(headers(1, RESPONSE))
    assert peer.connection.open_stream().id == 3


def test_client_opens_nothing_after_goaway() -> None:
    """RFC 9113 section 6.8."""
    peer = Peer(client=True)
    assert peer.feed(frame(GOAWAY, 0, 0, struct.pack(">LL", 0, 2) + b"why")) == [
        GoAwayReceived(0, 2, b"why")
    ]
    with pytest.raises(StreamRefused) as caught:
        peer.connection.open_stream()
    assert caught.value.permanent


def test_client_runs_out_of_ids() -> None:
    """RFC 9113 section 5.1.1."""
    peer = Peer(client=True)
    peer.connection._shared.next_id = 2**31 - 1
    assert peer.connection.open_stream().id == 2**31 - 1
    with pytest.raises(StreamRefused, match="all stream ids") as caught:
        peer.connection.open_stream()
    assert caught.value.permanent


def test_server_opens_no_streams() -> None:
    with pytest.raises(StreamRefused):
        Peer().connection.open_stream()


def test_client_may_change_its_mind_before_headers() -> None:
    """RST_STREAM on an idle stream would be an error (6.4)."""
    peer = Peer(client=True)
    stream = peer.connection.open_stream()
    peer.connection.reset_stream(stream.id, ErrorCode.CANCEL)
    peer.connection.send_headers(stream, block(REQUEST))
    assert peer.collect() == []
    assert peer.connection.streams == {}


def test_client_goaway_names_no_stream() -> None:
    peer = Peer(client=True)
    peer.connection.goaway(0)
    peer.collect()
    assert goaways(peer) == [(0, 0)]


# --- abuse seen by the send half --------------------------------------------------------------


def test_unread_acknowledgements_are_bounded() -> None:
    connection = Connection(limits=Limits(max_outgoing_control=3))
    connection.initiate()
    connection.take_outgoing()
    events = connection.receive(PREFACE + settings() + 3 * frame(PING, 0, 0, bytes(8)))
    for event in events[:3]:
        connection.apply(event)
    with pytest.raises(ProtocolError) as caught:
        connection.apply(events[3])
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM
    connection.take_outgoing()
    connection.apply(events[3])


def test_window_updates_are_bounded_by_data() -> None:
    peer = Peer(limits=Limits(window_update_burst=5))
    peer.feed(headers(1))
    stream = peer.connection.streams[1]
    peer.connection.send_headers(stream, block(RESPONSE))
    peer.connection.send_data(stream, b"explains ten")
    for event in peer.feed(b"") + peer.connection.receive(15 * window_update(0, 1)):
        peer.connection.apply(event)
    (event,) = peer.connection.receive(window_update(0, 1))
    with pytest.raises(ProtocolError) as caught:
        peer.connection.apply(event)
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM
