"""Sending: frames respect the peer's windows and frame size; nothing is lost or reordered."""

import struct

import pytest
from http2.peer import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    REQUEST,
    RESPONSE,
    TRAILERS,
    Frame,
    Peer,
    block,
    headers,
    rst_stream,
    settings,
    window_update,
)

from ftbridge.http2 import Stream, StreamStateError
from ftbridge.http2.sender import Sender

HEAD, TAIL = block(RESPONSE), block(TRAILERS)


def open_stream(peer: Peer, stream_id: int = 1) -> Stream:
    """A request without END_STREAM has arrived on it."""
    peer.feed(headers(stream_id, flags=END_HEADERS))
    return peer.connection.streams[stream_id]


def payload(frames: list[Frame], stream_id: int = 1) -> bytes:
    return b"".join(f.payload for f in frames if f.kind == DATA and f.stream_id == stream_id)


def shape(frames: list[Frame]) -> list[tuple[int, int, int]]:
    """Kind, flags and length of each frame."""
    return [(f.kind, f.flags, len(f.payload)) for f in frames]


def test_response_in_one_step() -> None:
    peer = Peer()
    peer.connection.send_headers(open_stream(peer, 1), HEAD)
    peer.collect()
    peer.connection.send_response(open_stream(peer, 3), HEAD, b"reply", TAIL)

    assert peer.connection.outgoing_size == 3 * 9 + len(HEAD) + 5 + len(TAIL)
    chunks = peer.connection.take_outgoing()
    assert len(chunks) == 1, "the fast path makes one piece"
    assert peer.connection.outgoing_size == 0
    assert b"".join(chunks) == (
        len(HEAD).to_bytes(3, "big") + b"\x01\x04\0\0\0\x03" + HEAD
        + b"\0\0\x05\0\0\0\0\0\x03reply"
        + len(TAIL).to_bytes(3, "big") + b"\x01\x05\0\0\0\x03" + TAIL
    )  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 65_535])
def test_response_of_any_size(size: int) -> None:
    peer = Peer()
    open_stream(peer)
    peer.connection.send_response(peer.connection.streams[1], HEAD, bytes(size), TAIL)
    sent = peer.collect()

    assert payload(sent) == bytes(size)
    assert max(len(f.payload) for f in sent) <= 16_384
    assert sent[0].kind == HEADERS
    assert sent[0].flags == END_HEADERS
    assert sent[-1].kind == HEADERS
    assert sent[-1].flags == END_HEADERS | END_STREAM


def test_first_block_empties_the_table_once() -> None:
    """RFC 7541 section 4.2: whatever table size the peer sets later, no update is due."""
    peer = Peer(settings_payload=[(1, 0)])
    peer.connection.send_headers(open_stream(peer, 1), HEAD)
    peer.connection.send_headers(open_stream(peer, 3), HEAD)
    peer.collect()
    assert [f.payload for f in peer.sent] == [b"\x20" + HEAD, HEAD]

    peer = Peer(settings_payload=[(1, 0)])
    peer.connection.send_response(open_stream(peer), HEAD, b"", TAIL)
    assert peer.collect()[0].payload == b"\x20" + HEAD


def test_large_block_continues() -> None:
    """RFC 9113 section 4.2: header blocks too obey the peer's frame size."""
    peer = Peer()
    large = block([(b"x-large", bytes(40_000).replace(b"\0", b"a"))])
    peer.connection.send_headers(open_stream(peer), large, end_stream=True)
    sent = peer.collect()

    assert shape(sent) == [
        (HEADERS, END_STREAM, 16_384),
        (CONTINUATION, 0, 16_384),
        (CONTINUATION, END_HEADERS, len(large) + 1 - 2 * 16_384),
    ]
    assert b"".join(f.payload for f in sent) == b"\x20" + large


def test_block_of_exactly_the_frame_size() -> None:
    peer = Peer()
    exact = block([(b"x", b"a" * (16_384 - 7))])
    assert len(exact) == 16_383
    peer.connection.send_headers(open_stream(peer), exact)
    assert shape(peer.collect()) == [(HEADERS, END_HEADERS, 16_384)]


def test_window_of_one() -> None:
    """RFC 9113 section 6.9.1, with the smallest window that lets anything through."""
    peer = Peer(settings_payload=[(4, 1)])
    stream = open_stream(peer)
    peer.connection.send_response(stream, HEAD, b"abc", TAIL)
    assert shape(peer.collect())[1:] == [(DATA, 0, 1)]
    assert stream.queued == 2
    peer.feed(window_update(1, 1))
    assert shape(peer.sent)[-1] == (DATA, 0, 1)
    assert peer.drained == []
    peer.feed(window_update(1, 1))
    assert peer.drained == [1]
    assert payload(peer.sent) == b"abc"
    assert shape(peer.sent)[-1] == (HEADERS, END_HEADERS | END_STREAM, len(TAIL))


def test_last_of_several_values_counts() -> None:
    """RFC 9113 section 6.5.3: values are processed in the order they appear."""
    peer = Peer(settings_payload=[(4, 100), (4, 1)])
    peer.connection.send_headers(open_stream(peer), HEAD)
    peer.connection.send_data(peer.connection.streams[1], b"abc")
    assert payload(peer.collect()) == b"a"


def test_initial_window_moves_open_streams() -> None:
    """RFC 9113 section 6.9.2."""
    peer = Peer(settings_payload=[(4, 0)])
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    peer.connection.send_data(stream, b"abc", end_stream=True)
    assert payload(peer.collect()) == b""
    peer.feed(settings((4, 2)))
    assert payload(peer.sent) == b"ab"
    peer.feed(settings((4, 3)))
    assert payload(peer.sent) == b"abc"
    assert peer.sent[-1].flags == END_STREAM


def test_window_may_become_negative() -> None:
    """RFC 9113 section 6.9.2: nothing is sent until it is positive again."""
    peer = Peer(settings_payload=[(4, 3)])
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    peer.connection.send_data(stream, b"abcdef")
    peer.feed(settings((4, 2)))
    assert payload(peer.collect() + peer.sent) == b"abc"
    peer.feed(window_update(1, 1))
    assert payload(peer.sent) == b"abc"
    peer.feed(window_update(1, 1))
    assert payload(peer.sent) == b"abcd"


def test_max_frame_size_of_the_peer() -> None:
    peer = Peer(settings_payload=[(5, 20_000)])
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    peer.connection.send_data(stream, bytes(50_000))
    assert [len(f.payload) for f in peer.collect()[1:]] == [20_000, 20_000, 10_000]


def test_frames_stay_small_enough_to_share() -> None:
    """A peer that allows frames of 16 MiB does not get one stream's that delays the others."""
    peer = Peer(settings_payload=[(5, 2**24 - 1), (4, 2**20)])
    peer.feed(window_update(0, 2**20))
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    peer.connection.send_data(stream, bytes(2**20))
    assert max(len(f.payload) for f in peer.collect()) == 65_536


def test_connection_window_is_shared_in_turns() -> None:
    peer = Peer(settings_payload=[(4, 2**20)])
    streams = [open_stream(peer, stream_id) for stream_id in (1, 3, 5)]
    for stream in streams:
        peer.connection.send_headers(stream, HEAD)
        peer.connection.send_data(stream, bytes([stream.id]) * 65_535)
    peer.collect()
    assert [stream.queued for stream in streams] == [0, 65_535, 65_535]
    peer.sent.clear()
    peer.feed(window_update(0, 4 * 16_384))
    assert [f.stream_id for f in peer.sent] == [3, 5, 3, 5]
    peer.feed(window_update(0, 2**20))
    assert payload(peer.sent, 3) == b"\x03" * 65_535
    assert payload(peer.sent, 5) == b"\x05" * 65_535
    assert sorted(peer.drained) == [3, 5]


def test_turns_go_on_where_they_stopped() -> None:
    """A window that opens one frame at a time must not feed the same stream each time."""
    peer = Peer(settings_payload=[(4, 2**20)])
    peer.connection.send_headers(first := open_stream(peer, 1), HEAD)
    peer.connection.send_data(first, bytes(65_535))
    for stream_id in (3, 5, 7):
        peer.connection.send_headers(stream := open_stream(peer, stream_id), HEAD)
        peer.connection.send_data(stream, bytes(1000))
    peer.collect()
    peer.sent.clear()
    for _ in range(6):
        peer.feed(window_update(0, 10))
    assert [f.stream_id for f in peer.sent] == [3, 5, 7, 3, 5, 7]


def test_a_shut_stream_does_not_hold_up_others() -> None:
    peer = Peer(settings_payload=[(4, 10)])
    one, three = open_stream(peer, 1), open_stream(peer, 3)
    for stream in (one, three):
        peer.connection.send_headers(stream, HEAD)
        peer.connection.send_data(stream, bytes(20))
    peer.collect()
    peer.feed(window_update(3, 10))
    assert (one.queued, three.queued) == (10, 0)


def test_data_keeps_its_order_behind_a_queue() -> None:
    peer = Peer(settings_payload=[(4, 2)])
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    for piece in (b"abc", b"", b"d", b"efg"):
        peer.connection.send_data(stream, piece)
    assert stream.queued == 5
    peer.connection.send_trailers(stream, TAIL)
    peer.feed(window_update(1, 3) + window_update(1, 2**16))
    assert payload(peer.sent) == b"abcdefg"
    assert peer.sent[-1].payload == TAIL
    assert stream.queued == 0


def test_end_of_stream_rides_on_the_last_data() -> None:
    peer = Peer(settings_payload=[(4, 2)])
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    peer.connection.send_data(stream, b"abc")
    peer.connection.send_data(stream, b"", end_stream=True)
    peer.feed(window_update(1, 10))
    assert [(f.flags, f.payload) for f in peer.sent if f.kind == DATA] == [
        (0, b"ab"),
        (END_STREAM, b"c"),
    ]


def test_empty_data_needs_no_window() -> None:
    peer = Peer(settings_payload=[(4, 0)])
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    peer.connection.send_data(stream, b"")
    peer.connection.send_data(stream, b"", end_stream=True)
    assert shape(peer.collect())[1:] == [(DATA, END_STREAM, 0)]


def test_stream_leaves_when_both_sides_are_closed() -> None:
    peer = Peer()
    peer.feed(headers(1))
    peer.connection.send_response(peer.connection.streams[1], HEAD, b"x", TAIL)
    assert peer.connection.streams == {}
    stream = open_stream(peer, 3)
    peer.connection.send_response(stream, HEAD, b"x", TAIL)
    assert peer.connection.streams == {3: stream}
    peer.feed(headers(3, TRAILERS))
    assert peer.connection.streams == {}


def test_reset_drops_the_queue_and_all_later_sends() -> None:
    peer = Peer(settings_payload=[(4, 2)])
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    peer.connection.send_data(stream, b"abc")
    peer.collect()
    peer.feed(rst_stream(1))
    assert peer.drained == [1]
    assert stream.reset
    assert stream.queued == 0
    peer.sent.clear()
    peer.connection.send_data(stream, b"x")
    peer.connection.send_headers(stream, HEAD)
    peer.connection.send_trailers(stream, TAIL)
    peer.connection.send_response(stream, HEAD, b"x", TAIL)
    peer.feed(window_update(0, 100))
    assert peer.sent == []


@pytest.mark.parametrize("queued", [False, True])
def test_sending_after_the_end_is_a_mistake_of_ours(queued: bool) -> None:
    peer = Peer(settings_payload=[(4, 1 if queued else 100)])
    stream = open_stream(peer)
    peer.connection.send_response(stream, HEAD, b"abc", TAIL)
    connection = peer.connection
    with pytest.raises(StreamStateError, match="Stream 1"):
        connection.send_headers(stream, HEAD)
    with pytest.raises(StreamStateError, match="Stream 1"):
        connection.send_data(stream, b"x")
    with pytest.raises(StreamStateError, match="Stream 1"):
        connection.send_trailers(stream, TAIL)
    with pytest.raises(StreamStateError, match="Stream 1"):
        connection.send_response(stream, HEAD, b"x", TAIL)


def test_data_before_headers_is_a_mistake_of_ours() -> None:
    peer = Peer(client=True)
    stream = peer.connection.open_stream()
    with pytest.raises(StreamStateError):
        peer.connection.send_data(stream, b"x")
    peer.connection.send_headers(stream, block(REQUEST))
    peer.connection.send_data(stream, b"x", end_stream=True)
    assert shape(peer.collect())[1:] == [(DATA, END_STREAM, 1)]


def test_large_data_is_not_copied_into_its_header() -> None:
    peer = Peer()
    stream = open_stream(peer)
    peer.connection.send_headers(stream, HEAD)
    peer.connection.take_outgoing()
    payload_ = bytes(10_000)
    peer.connection.send_data(stream, payload_)
    header, body = peer.connection.take_outgoing()
    assert header == struct.pack(">LBL", 10_000 << 8, 0, 1)
    assert body is payload_


def test_a_window_update_touches_only_streams_that_can_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thousand streams whose own windows are shut, and updates of one octet for the connection:
    were all asked each time, a dozen octets of the peer's would cost us a millisecond."""
    peer = Peer(settings_payload=[(4, 0)])
    for stream_id in range(1, 2001, 2):
        peer.connection.send_headers(stream := open_stream(peer, stream_id), HEAD)
        peer.connection.send_data(stream, b"x")
    asked: list[int] = []
    send_piece = Sender._send_piece

    def watched(self: Sender, stream: Stream) -> bool:
        asked.append(stream.id)
        return send_piece(self, stream)

    monkeypatch.setattr(Sender, "_send_piece", watched)
    peer.feed(window_update(0, 1))
    assert asked == []
    peer.feed(window_update(7, 1))
    assert asked == [7]
    peer.feed(settings((4, 1)))
    assert len(asked) <= 1 + 1000
