from __future__ import annotations

import socket
import threading

import pytest
from rpc.harness import WAIT

from ftbridge.rpc import Channel, RpcError, StatusCode


def refused(call) -> RpcError:
    with pytest.raises(RpcError) as caught:
        call()
    return caught.value


def test_the_four_kinds_of_call(serve):
    served = serve()
    channel = served.channel
    assert channel.unary("/t.T/Upper", b"abc", timeout=WAIT) == b"ABC"
    assert list(channel.unary_stream("/t.T/Count", b"3", timeout=WAIT)) == [b"0", b"1", b"2"]
    assert channel.stream_unary("/t.T/Join", [b"a", b"b", b"c"], timeout=WAIT) == b"abc"
    assert channel.stream_unary("/t.T/Join", [], timeout=WAIT) == b""
    echo = channel.stream_stream("/t.T/Echo", [b"a", b"b"], timeout=WAIT)
    assert list(echo) == [b"a!", b"b!"]
    assert channel.unary("/t.T/Upper", b"", timeout=WAIT) == b""


def test_a_conversation(serve):
    """Each request is made from the answer before it: nothing is held back on either side."""
    served = serve()
    answers: list[bytes] = []
    more = threading.Semaphore(0)

    def requests():
        yield b"a"
        for _ in range(3):
            assert more.acquire(timeout=WAIT)
            yield answers[-1]

    for answer in served.channel.stream_stream("/t.T/Echo", requests(), timeout=WAIT):
        answers.append(answer)
        more.release()
    assert answers == [b"a!", b"a!!", b"a!!!", b"a!!!!"]


def test_metadata_both_ways(serve):
    served = serve()
    sent = (("x-key", "v"), ("x-key", "w"), ("x-raw-bin", b"\x00\xff"))
    back = (("x-first", "1"), ("x-first-bin", b"\x01\xfe"))
    last = (("x-last", "2"), ("x-last-bin", b""))

    def handler(text, call):
        served.service.calls.append(call)
        call.send_initial_metadata(back)
        call.set_trailing_metadata(last)
        with pytest.raises(RuntimeError, match="already"):
            call.send_initial_metadata(())
        return text

    rebind(served, "/t.T/Upper", handler)
    call = served.start("Upper", "x", metadata=sent)
    assert call.initial_metadata() == back
    assert call.result() == b"x"
    assert call.trailing_metadata() == last
    [seen] = served.service.calls
    assert [pair for pair in seen.invocation_metadata if pair[0].startswith("x-")] == list(sent)
    assert seen.peer.startswith("ipv4:127.0.0.1:")
    assert 0 < seen.time_remaining() <= WAIT


def rebind(served, path, handler):
    import dataclasses

    methods = served.server.methods
    methods[path.encode()] = dataclasses.replace(methods[path.encode()], handler=handler)


def test_a_call_without_a_timeout_has_no_deadline(serve):
    served = serve()
    assert served.unary("Upper", "x", timeout=None) == "X"
    assert served.service.calls[0].deadline is None
    assert served.service.calls[0].time_remaining() is None


def test_statuses_keep_code_text_and_metadata(serve):
    served = serve()
    error = refused(lambda: served.unary("Fail", "rpc"))
    assert (error.code, error.details) == (StatusCode.NOT_FOUND, "gone \u2014 100%\n")
    assert error.trailing_metadata == (("why", "x"),)


def test_an_error_in_mid_stream(serve):
    served = serve()
    got = []
    error = refused(lambda: got.extend(served.start("Count", "2")))
    assert (error.code, error.details) == (StatusCode.DATA_LOSS, "lost")
    assert got == [b"0", b"1"]


def test_asking_on_after_the_end_says_the_same_again(serve):
    served = serve()
    call = served.start("Count", "1")
    assert list(call) == [b"0"]
    assert list(call) == []
    failed = served.start("Fail", "rpc")
    assert refused(lambda: next(failed)).code is StatusCode.NOT_FOUND
    assert refused(lambda: next(failed)).code is StatusCode.NOT_FOUND


def test_a_timeout_ends_the_call_here_whatever_the_server_does():
    """A server that accepts and says nothing."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Channel(f"127.0.0.1:{listener.getsockname()[1]}") as channel,
    ):
        error = refused(lambda: channel.unary("/t.T/Upper", b"x", timeout=0.1))
        assert error.code is StatusCode.DEADLINE_EXCEEDED
        call = channel.unary_stream("/t.T/Upper", b"x", timeout=0.1)
        assert call.initial_metadata() == ()
        assert refused(lambda: next(call)).code is StatusCode.DEADLINE_EXCEEDED


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Channel(f"127.0.0.1:{port}") as channel:
        error = refused(lambda: channel.unary("/t.T/Upper", b"x", timeout=WAIT))
        assert error.code is StatusCode.UNAVAILABLE
        assert str(port) in error.details


def test_a_call_waits_no_longer_than_its_own_deadline_for_another_that_connects():
    with Channel("127.0.0.1:9") as channel, channel._lock:  # as a call that connects holds it
        error = refused(lambda: channel.unary("/t.T/Upper", b"x", timeout=0.01))
    assert error.code is StatusCode.DEADLINE_EXCEEDED


def test_a_connection_lost_in_mid_call_is_unavailable_and_the_next_call_connects_again(serve):
    served = serve()
    call = served.start("Held")
    assert next(call) == b"first"
    [connection] = served.server.connections
    connection.reactor.call_soon(connection.close, "test")
    assert refused(lambda: next(call)).code is StatusCode.UNAVAILABLE
    assert served.unary("Upper", "x") == "X"


def test_a_closed_channel_refuses(serve):
    served = serve()
    call = served.start("Held")
    assert next(call) == b"first"
    served.channel.close()
    assert refused(lambda: next(call)).code is StatusCode.UNAVAILABLE
    assert refused(lambda: served.unary("Upper", "x")).code is StatusCode.UNAVAILABLE
    served.channel.close()


def test_a_client_stream_is_held_back_while_the_server_does_not_read(serve):
    served = serve()
    produced = 0
    total = 2000

    def requests():
        nonlocal produced
        for _ in range(total):
            produced += 1
            yield b"r" * 64_000

    answers: list[object] = []

    def send() -> None:
        try:
            answers.append(served.channel.stream_unary("/t.T/Slow", requests(), timeout=WAIT))
        except RpcError as error:
            answers.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    assert served.service.entered.acquire(timeout=WAIT)
    for _ in range(200):  # time for it to run away, if it could
        assert served.unary("Ping", "p").startswith("p ")
    window = served.server.limits.initial_window_size
    assert produced < total
    assert (produced - 2) * 64_005 <= window + 64_005
    served.service.release.set()
    sender.join(WAIT)
    assert answers == [b"2000"]


def test_a_request_stream_that_raises_ends_the_call(serve):
    served = serve()

    def requests():
        yield b"a"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        served.channel.stream_unary("/t.T/Join", requests(), timeout=WAIT)
    error = refused(
        lambda: list(served.channel.stream_stream("/t.T/Echo", requests(), timeout=WAIT))
    )
    assert "no more" in error.details


def test_two_streams_at_once_on_one_connection(serve):
    served = serve()
    first, second = served.start("Flood", "50x10000"), served.start("Flood", "50x20000")
    sizes = [(len(a), len(b)) for a, b in zip(first, second, strict=True)]
    assert sizes == [(10_000, 20_000)] * 50
    assert len(served.server.connections) == 1


def test_more_calls_than_the_server_allows_streams_wait_for_room(serve):
    served = serve(threads=2, queue_limit=10_000)
    count = served.server.limits.max_concurrent_streams + 20
    calls: list[object] = []

    def start() -> None:
        calls.extend(served.start("Block", str(n)) for n in range(count))

    starter = threading.Thread(target=start)
    starter.start()
    assert served.service.entered.acquire(timeout=WAIT)
    served.service.release.set()
    starter.join(WAIT)
    assert [call.result() for call in calls] == [str(n).encode() for n in range(count)]
    assert len(served.server.connections) == 1


def test_many_threads_share_a_channel(serve):
    served = serve(threads=4)
    failures: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for i in range(50):
                assert served.unary("Upper", f"a{n}b{i}") == f"A{n}B{i}"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert failures == []


def test_a_response_longer_than_the_limit(serve):
    served = serve()
    with Channel(f"127.0.0.1:{served.port}", max_receive_bytes=100) as channel:
        error = refused(lambda: channel.unary("/t.T/Upper", b"x" * 101, timeout=WAIT))
        assert error.code is StatusCode.RESOURCE_EXHAUSTED
        assert channel.unary("/t.T/Upper", b"x" * 100, timeout=WAIT) == b"X" * 100


def test_metadata_that_cannot_be_sent_is_refused_here(serve):
    with pytest.raises(ValueError, match="reserved"):
        serve().unary("Upper", "x", metadata=(("grpc-timeout", "1S"),))
