"""Whatever arrives: events or ``ProtocolError``, nothing else, and the owner's calls never fail."""

from http2.peer import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    REQUEST,
    RESPONSE,
    SETTINGS,
    TRAILERS,
    Fields,
    block,
    data,
    examples,
    frame,
    headers,
    parse,
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
    HeadersReceived,
    Limits,
    ProtocolError,
    Stream,
    StreamStateError,
)
from ftbridge.http2.limits import HEADER_CACHE_ENTRIES, RESET_MEMORY

SMALL = Limits(
    initial_window_size=200,
    max_concurrent_streams=3,
    max_header_list_size=500,
    reset_burst=8,
    max_control_frames=400,
)
HEAD, TAIL = block(RESPONSE), block(TRAILERS)
IDS = st.integers(0, 9)
FLAGS = st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D]) | st.integers(0, 255)


def valid(role_is_client: bool) -> st.SearchStrategy[bytes]:
    """Frames a peer of ours might well send."""
    sections: list[Fields] = [RESPONSE if role_is_client else REQUEST, TRAILERS]
    return st.one_of(
        st.builds(headers, IDS, st.sampled_from(sections), st.sampled_from([4, 5])),
        st.builds(data, IDS, st.binary(max_size=50), st.sampled_from([0, 1])),
        st.builds(
            lambda i, b: frame(0, PADDED, i, b"\x02" + b + b"\0\0"), IDS, st.binary(max_size=9)
        ),
        st.builds(rst_stream, IDS, st.integers(0, 20)),
        st.builds(window_update, IDS, st.sampled_from([0, 1, 1000, 2**30, 2**31 - 1])),
        st.builds(
            lambda *pair: settings(pair),
            st.integers(0, 8),
            st.sampled_from([0, 1, 100, 16_384, 65_536, 2**31 - 1, 2**31]),
        ),
        st.just(frame(SETTINGS, ACK, 0)),
        st.builds(lambda i: frame(PRIORITY, 0, i, bytes(5)), IDS),
        st.builds(lambda flags: frame(PING, flags, 0, b"12345678"), st.integers(0, 1)),
        st.builds(
            lambda i, cut, end: (
                frame(HEADERS, 1, i, block(REQUEST)[:cut])
                + frame(CONTINUATION, end, i, block(REQUEST)[cut:])
            ),
            IDS,
            st.integers(0, 40),
            st.sampled_from([0, END_HEADERS]),
        ),
    )


def wild() -> st.SearchStrategy[bytes]:
    """Frames of any form."""
    return st.builds(frame, st.integers(0, 12), FLAGS, IDS, st.binary(max_size=40))


def drive(connection: Connection, pieces: list[bytes]) -> None:
    """Be an owner that answers everything; any exception but ProtocolError is a defect."""
    alive: list[Stream] = []
    for number, piece in enumerate(pieces):
        try:
            events = connection.receive(piece, float(number))
        except ProtocolError as error:
            events = error.events
            for event in events:
                try:
                    connection.apply(event)
                except ProtocolError:
                    break
            connection.goaway(error.code)
            break
        for event in events:
            try:
                connection.apply(event)
            except ProtocolError:
                connection.goaway(ErrorCode.ENHANCE_YOUR_CALM)
                return
            if isinstance(event, HeadersReceived):
                alive.append(event.stream)
            if isinstance(event, DataReceived):
                connection.credit(event.stream, event.flow_bytes)
        for stream in alive[::2]:
            try:
                if stream.recv_closed:
                    connection.send_response(stream, HEAD, bytes(300), TAIL)
                else:
                    connection.send_headers(stream, HEAD)
                    connection.send_data(stream, bytes(number))
            except StreamStateError:
                pass
        if number % 5 == 4 and alive:
            connection.reset_stream(alive.pop(0).id, ErrorCode.CANCEL)
    octets = b"".join(connection.take_outgoing())
    for sent in parse(octets.removeprefix(PREFACE)):
        assert len(sent.payload) <= 2**24 - 1
    bounded(connection)


def bounded(connection: Connection) -> None:
    """Nothing that one connection keeps grows without end."""
    reader, shared = connection._reader, connection._shared
    assert len(shared.streams) <= max(3, shared.next_id // 2)
    assert len(reader._buffer) <= 9 + 65_536
    assert len(reader._blocks.cache) <= HEADER_CACHE_ENTRIES
    for memory in (reader._ignored, reader._peer_reset, shared.reset_by_us):
        assert len(memory.ids) == len(memory._order) <= RESET_MEMORY
    assert set(connection._ready) <= set(connection._blocked)
    for stream in connection._blocked.values():
        assert stream.queue
        assert stream.queued == sum(map(len, stream.queue)) - stream.offset
        assert stream.queued > 0


def new_connection(client: bool) -> Connection:
    connection = Connection(client=client, limits=SMALL)
    connection.initiate()
    if client:
        for _ in range(3):
            stream = connection.open_stream()
            connection.send_headers(stream, block(REQUEST))
            connection.send_data(stream, bytes(100), end_stream=stream.id == 3)
    return connection


@examples(100)
@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans(), st.booleans())
def test_arbitrary_octets(pieces: list[bytes], client: bool, opened: bool) -> None:
    opening = (b"" if client else PREFACE) + settings()
    drive(new_connection(client), [opening, *pieces] if opened else pieces)


@examples(300)
@given(st.data(), st.booleans())
def test_valid_and_wild_frames(draw: st.DataObject, client: bool) -> None:
    frames = draw.draw(st.lists(valid(client) | wild(), max_size=25))
    drive(new_connection(client), [(b"" if client else PREFACE) + settings(), *frames])


@examples(300)
@given(st.data(), st.booleans())
def test_mutated_traffic(draw: st.DataObject, client: bool) -> None:
    """Sound traffic with a few octets changed, lost or added."""
    frames = draw.draw(st.lists(valid(client), min_size=1, max_size=15))
    octets = bytearray((b"" if client else PREFACE) + settings() + b"".join(frames))
    for _ in range(draw.draw(st.integers(0, 4))):
        at = draw.draw(st.integers(0, len(octets) - 1))
        change = draw.draw(st.sampled_from(["flip", "drop", "add"]))
        if change == "flip":
            octets[at] ^= 1 << draw.draw(st.integers(0, 7))
        elif change == "drop" and len(octets) > 1:
            del octets[at]
        else:
            octets.insert(at, draw.draw(st.integers(0, 255)))
    cut = draw.draw(st.integers(0, len(octets)))
    drive(new_connection(client), [bytes(octets[:cut]), bytes(octets[cut:])])


@examples(200)
@given(st.lists(valid(False) | wild(), max_size=25), st.integers(1, 50))
def test_split_or_whole(frames: list[bytes], size: int) -> None:
    """Events and the error are the same, however the octets are cut."""
    octets = PREFACE + settings() + b"".join(frames)

    def read(pieces: list[bytes]) -> tuple[list[str], ErrorCode | None]:
        connection = Connection(limits=SMALL)
        connection.initiate()
        found: list[str] = []
        for piece in pieces:
            try:
                new = connection.receive(piece)
            except ProtocolError as error:
                found += [type(event).__name__ for event in error.events]
                return found, error.code
            found += [type(event).__name__ for event in new]
        return found, None

    assert read([octets]) == read([octets[i : i + size] for i in range(0, len(octets), size)])
