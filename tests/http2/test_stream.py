"""Streams and the memory of those that are gone."""

import threading

from http2.peer import END_HEADERS, RESPONSE, TRAILERS, Peer, block, data, headers

from ftbridge.http2 import Stream
from ftbridge.http2.stream import RecentIds


def test_repr_names_the_state() -> None:
    stream = Stream(7, True)
    stream.recv_closed = True
    stream.queued = 3
    assert repr(stream) == "<Stream 7 recv_closed queued=3>"


def test_recent_ids_forget_the_oldest() -> None:
    memory = RecentIds(2)
    for number in (1, 3, 3, 5):
        memory.add(number)
    assert list(memory.ids) == [3, 5]


def test_both_halves_close_at_once() -> None:
    """Whatever the interleaving, a stream closed on both sides leaves ``streams``.

    Deterministic part: the half that pops second always sees the list empty.
    """
    stream = Stream(1, True)
    seen = []
    stream.sides.pop()
    seen.append(bool(stream.sides))
    stream.sides.pop()
    seen.append(bool(stream.sides))
    assert seen == [True, False]


def test_halves_on_two_threads() -> None:
    """The reader ends streams while a writer answers them: none is left, none is lost."""
    peer = Peer()
    connection = peer.connection
    rounds = 300
    barrier = threading.Barrier(2, timeout=30)
    head, tail = block(RESPONSE), block(TRAILERS)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(rounds):
                barrier.wait()
                stream = connection.streams[1 + 2 * number]
                barrier.wait()
                connection.send_response(stream, head, b"x", tail)
                barrier.wait()
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(rounds):
            stream_id = 1 + 2 * number
            connection.receive(headers(stream_id, flags=END_HEADERS))
            barrier.wait()
            barrier.wait()
            connection.receive(data(stream_id, b"x"))
            barrier.wait()
            assert connection.streams == {}
            connection.take_outgoing()
    except BaseException:
        barrier.abort()
        raise
    finally:
        writer.join(30)
    assert failures == []
