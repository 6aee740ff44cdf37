"""The loop over the octets: every split gives the same events, and waiting costs no copying."""

import time
from typing import Any

import pytest
from http2.peer import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    REQUEST,
    RESPONSE,
    SETTINGS,
    TRAILERS,
    Peer,
    block,
    data,
    examples,
    frame,
    headers,
    rst_stream,
    settings,
    window_update,
)
from hypothesis import given
from hypothesis import strategies as st

from ftbridge.http2 import (
    Connection,
    DataReceived,
    ErrorCode,
    Event,
    HeadersReceived,
    Limits,
    ProtocolError,
    RequestReceived,
    StreamFault,
    StreamReset,
)

OPEN = END_HEADERS
BLOCK = block(REQUEST)
TRAFFIC = (
    PREFACE
    + settings((4, 100), (0xFF, 1))
    + headers(1, flags=OPEN)
    + data(1, b"\x02payload\0\0", PADDED)
    + frame(HEADERS, 0, 3, BLOCK[:20])
    + frame(CONTINUATION, END_HEADERS, 3, BLOCK[20:])
    + window_update(3, 7)
    + frame(PING, 0, 0, b"12345678")
    + headers(1, TRAILERS)
    + rst_stream(3)
    + data(3, b"late")
    + headers(5, [(b"x", b"y")])
    + headers(7)
)


def described(events: list[Event]) -> list[str]:
    """Events compared by content: streams are other objects on another connection."""
    return [repr(event) for event in events]


def read_all(pieces: list[bytes]) -> list[str]:
    connection = Connection()
    connection.initiate()
    found: list[str] = []
    for piece in pieces:
        found += described(connection.receive(piece))
    return found


WHOLE = read_all([TRAFFIC])


def test_the_traffic_has_everything() -> None:
    assert [text.partition("(")[0] for text in WHOLE] == [
        "SettingsReceived",
        "HeadersReceived",
        "DataReceived",
        "HeadersReceived",
        "WindowUpdated",
        "PingReceived",
        "TrailersReceived",
        "StreamReset",
        "StreamFault",
        "DataDiscarded",
        "StreamFault",
        "HeadersReceived",
    ]


@examples(100)
@given(st.lists(st.integers(0, len(TRAFFIC)), max_size=20))
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(TRAFFIC)]
    pieces = [TRAFFIC[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    without_streams = [text.partition("<Stream")[0] for text in read_all(pieces)]
    assert without_streams == [text.partition("<Stream")[0] for text in WHOLE]


LONG = (*REQUEST, (b"content-length", b"3"))
BARE = ((b"x", b"y"),)


def read_joined(pieces: list[bytes | int], *, whole: bool) -> tuple[list[str], str, list[Any]]:
    """Events with joined ones taken apart, the error, the streams; a number is a GOAWAY of ours."""
    limits = Limits(max_concurrent_streams=3, initial_window_size=100, max_frame_size=2**14)
    connection = Connection(limits=limits, whole_requests=whole)
    connection.initiate()
    found: list[str] = []
    streams = []
    error = ""
    for piece in pieces:
        if isinstance(piece, int):
            connection.goaway(0, b"", piece or None)
            continue
        try:
            events = connection.receive(piece)
        except ProtocolError as broken:
            events, error = broken.events, str(broken)
        for event in events:
            if isinstance(event, RequestReceived):
                stream = event.stream
                found.append(f"HeadersReceived {stream.id} {event.headers}")
                found.append(f"DataReceived {stream.id} {event.data!r} {event.flow_bytes} True")
                streams.append(stream)
            elif isinstance(event, HeadersReceived):
                found.append(f"HeadersReceived {event.stream.id} {event.headers}")
                streams.append(event.stream)
            elif isinstance(event, DataReceived):
                found.append(
                    f"DataReceived {event.stream.id} {event.data!r} {event.flow_bytes} "
                    f"{event.end_stream}"
                )
            elif isinstance(event, StreamFault):
                found.append(f"StreamFault {event.stream_id} {event.code} {event.reason}")
            else:
                found.append(repr(event))
        if error:
            break
        if len(connection.streams) > 2:  # the owner answers some
            for stream in list(connection.streams.values())[:2]:
                connection.send_response(stream, block(RESPONSE), b"", block(TRAILERS))
    state = [
        (s.id, s.recv_closed, s.received, s.remaining, len(s.sides), s.id in connection.streams)
        for s in streams
    ]
    return found, error, state


def test_a_whole_request_is_one_event() -> None:
    connection = Connection(whole_requests=True)
    connection.initiate()
    connection.receive(PREFACE + settings() + headers(1, flags=OPEN) + data(1, b"fills the cache"))
    octets = headers(3, flags=OPEN) + data(3, b"abc") + headers(5, flags=OPEN) + data(5, b"")
    first, second = connection.receive(octets)
    assert isinstance(first, RequestReceived)
    assert (first.stream.id, first.data, first.flow_bytes) == (3, b"abc", 3)
    assert first.stream.recv_closed
    assert isinstance(second, RequestReceived)
    assert second.data == b""
    # Not whole in what has come: as ever.
    assert [type(e) for e in connection.receive(headers(7, flags=OPEN))] == [HeadersReceived]
    assert [type(e) for e in connection.receive(data(7, b"abc"))] == [DataReceived]


def test_whole_requests_take_part_of_the_connections_window() -> None:
    connection = Connection(limits=Limits(connection_window=65_535), whole_requests=True)
    connection.initiate()
    connection.receive(PREFACE + settings() + headers(1, flags=OPEN) + data(1, b""))
    for ident in (3, 5, 7):
        octets = headers(ident, flags=OPEN) + data(ident, bytes(16_384))
        assert [type(event) for event in connection.receive(octets)] == [RequestReceived]
    with pytest.raises(ProtocolError, match="passes the connection's window by 1 "):
        connection.receive(headers(9, flags=OPEN) + data(9, bytes(16_384)))


def test_whole_requests_end_a_row_of_empty_frames() -> None:
    connection = Connection(limits=Limits(max_empty_frames=2), whole_requests=True)
    connection.initiate()
    connection.receive(PREFACE + settings() + headers(1, flags=OPEN) + 2 * data(1, b"", 0))
    connection.receive(headers(3, flags=OPEN) + data(3, b"x") + 2 * data(1, b"", 0))
    with pytest.raises(ProtocolError, match="empty DATA frames"):
        connection.receive(data(1, b"", 0))


@examples(400)
@given(
    st.lists(
        st.tuples(
            st.sampled_from((REQUEST, REQUEST, REQUEST, LONG, BARE)),
            st.sampled_from((OPEN, OPEN, OPEN, END_HEADERS | END_STREAM, OPEN | PADDED)),
            st.sampled_from((0, 3, 3, 3, 99, 101)),
            st.sampled_from((END_STREAM, END_STREAM, END_STREAM, 0, PADDED)),
            st.sampled_from((2, 2, 2, 2, 0, -2, 4)),
            st.sampled_from((0, 0, 0, 0, 1)),
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 3000), max_size=3),
    st.none() | st.integers(0, 9),
)
def test_joined_or_not_the_same_is_read(
    requests: list[tuple[Any, int, int, int, int, int]], cuts: list[int], goaway: int | None
) -> None:
    octets = PREFACE + settings() + frame(SETTINGS, ACK, 0)
    octets += headers(1, flags=OPEN) + data(1, b"fills the cache")
    ident = 1
    for fields, flags, size, data_flags, step, other in requests:
        ident = max(1, ident + step)
        octets += headers(ident, fields, flags=flags)
        octets += data(max(1, ident - 2 * other), bytes(size), data_flags)
    ends = [*sorted(cut for cut in cuts if cut < len(octets)), len(octets)]
    pieces: list[bytes | int] = [octets[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    if goaway is not None:
        pieces.insert(len(pieces) // 2, goaway)
    assert read_joined(pieces, whole=True) == read_joined(pieces, whole=False)


def test_octet_by_octet() -> None:
    pieces = [TRAFFIC[i : i + 1] for i in range(len(TRAFFIC))]
    assert [t.partition("<Stream")[0] for t in read_all(pieces)] == [
        t.partition("<Stream")[0] for t in WHOLE
    ]


def test_waiting_for_a_large_frame_is_linear() -> None:
    """A megabyte octet by octet: copying what is there each time would move half a terabyte."""
    peer = Peer(limits=Limits(max_frame_size=2**20))
    peer.feed(headers(1, flags=OPEN))
    octets = data(1, bytes(2**20 - 1), 0)
    found: list[Event] = []
    before = time.process_time()
    for i in range(len(octets)):
        found += peer.connection.receive(octets[i : i + 1])
    assert time.process_time() - before < 20
    assert [type(event) for event in found] == [DataReceived]


def test_data_does_not_keep_the_buffer_alive() -> None:
    peer = Peer()
    (event,) = peer.feed(headers(1, flags=OPEN) + data(1, b"abc", 0))[1:]
    assert isinstance(event, DataReceived)
    assert type(event.data) is bytes
    assert event.data == b"abc"


def test_nothing_to_read() -> None:
    assert Connection().receive(b"") == []


def test_preface_error_names_http1() -> None:
    with pytest.raises(ProtocolError, match=r"HTTP/1\.x"):
        Connection().receive(b"GET / HTTP/1.1\r\n")


def test_preface_error_at_the_first_wrong_octet() -> None:
    connection = Connection()
    assert connection.receive(b"PR") == []
    with pytest.raises(ProtocolError):
        connection.receive(b"O")


# --- abuse ------------------------------------------------------------------------------------


def calm(peer: Peer) -> None:
    assert peer.error is not None
    assert peer.error.code is ErrorCode.ENHANCE_YOUR_CALM, peer.error


def test_empty_data_is_bounded() -> None:
    """CVE-2019-9518."""
    peer = Peer(limits=Limits(max_empty_frames=3))
    peer.feed(headers(1, flags=OPEN))
    peer.feed(3 * data(1, b"", 0) + data(1, b"x", 0) + 3 * data(1, b"\x01\0", PADDED))
    assert peer.error is None
    peer.feed(data(1, b"", 0))
    calm(peer)


def test_empty_data_on_a_closed_stream_is_bounded() -> None:
    peer = Peer(limits=Limits(max_empty_frames=3))
    peer.feed(headers(1, flags=OPEN))
    peer.connection.reset_stream(1, ErrorCode.CANCEL)
    peer.feed(4 * data(1, b"", 0))
    calm(peer)


def test_continuation_frames_are_bounded() -> None:
    """CVE-2024-28182 and its family."""
    limits = Limits(max_header_block_frames=2)
    head = frame(HEADERS, 0, 1, BLOCK[:4])
    peer = Peer(limits=limits)
    peer.feed(head + frame(CONTINUATION, 0, 1) + frame(CONTINUATION, END_HEADERS, 1, BLOCK[4:]))
    assert [type(event) for event in peer.events] == [HeadersReceived]
    peer = Peer(limits=limits)
    peer.feed(head + 3 * frame(CONTINUATION, 0, 1))
    calm(peer)


def test_header_block_size_is_bounded() -> None:
    peer = Peer(limits=Limits(max_header_list_size=1000))
    peer.feed(frame(HEADERS, 0, 1, bytes(3000)) + frame(CONTINUATION, 0, 1, bytes(1001)))
    calm(peer)


def test_rapid_reset_is_bounded_in_rate() -> None:
    """CVE-2023-44487."""
    peer = Peer(limits=Limits(reset_burst=5, max_reset_rate=10))
    stream_id = iter(range(1, 1000, 2))

    def open_and_reset(count: int, now: float) -> None:
        for _ in range(count):
            number = next(stream_id)
            peer.feed(headers(number) + rst_stream(number), now)

    open_and_reset(5, 1.0)
    open_and_reset(5, 1.5)
    assert peer.error is None
    assert sum(isinstance(event, StreamReset) for event in peer.events) == 10
    open_and_reset(1, 1.5)
    calm(peer)


def test_provoked_resets_are_bounded() -> None:
    """CVE-2025-8671: the peer makes us reset."""
    peer = Peer(limits=Limits(reset_burst=5))
    for stream_id in range(1, 13, 2):
        peer.feed(headers(stream_id, flags=OPEN) + window_update(stream_id, 0))
    calm(peer)
    assert peer.connection.streams == {}


def test_control_frames_are_bounded() -> None:
    """CVE-2019-9512, CVE-2019-9515."""
    limits = Limits(max_control_frames=200)
    for flood in (frame(PING, 0, 0, bytes(8)), frame(0x2, 0, 1, bytes(5)), frame(0xFE, 0, 0)):
        peer = Peer(limits=limits)
        peer.feed(99 * flood)
        assert peer.error is None
        peer.feed(flood, now=1.0)
        assert peer.error is None, "a second later there are tokens again"
        peer.feed(200 * flood, now=1.0)
        calm(peer)


def test_settings_weigh_more() -> None:
    peer = Peer(limits=Limits(max_control_frames=200))
    peer.feed(3 * settings())
    calm(peer)


def test_many_windows_in_one_settings_frame_are_one_walk() -> None:
    """10,000 initial windows in a frame, 1,000 open streams: a walk for each would take minutes."""
    peer = Peer()
    peer.feed(b"".join(headers(stream_id) for stream_id in range(1, 2000, 2)))
    before = time.process_time()
    peer.feed(settings(*((4, 70_000 + n) for n in range(10_000))))
    assert time.process_time() - before < 5
    assert peer.error is None


def test_no_bound_grows_with_the_number_of_streams() -> None:
    """A connection that lives long forgets what is over."""
    peer = Peer(limits=Limits(reset_burst=10**6))
    for stream_id in range(1, 20_000, 4):
        peer.feed(
            headers(stream_id) + rst_stream(stream_id) + headers(stream_id + 2, [(b"a", b"")])
        )
    reader = peer.connection._reader
    shared = peer.connection._shared
    assert peer.error is None
    assert (len(shared.streams), len(shared.owed)) == (0, 0)
    for memory in (reader._ignored, reader._peer_reset, shared.reset_by_us):
        assert len(memory.ids) <= 1000
