from __future__ import annotations

import gc
import gzip
import socket
import threading
import time

import pytest
from rpc.harness import WAIT, framed

from ftbridge.rpc import Channel, Method, MethodKind, RpcError, StatusCode, create_server
from ftbridge.rpc.call import ServerCall
from ftbridge.rpc.channel import ClientCall
from ftbridge.rpc.reactor import Deadlines


def refused(call) -> RpcError:
    with pytest.raises(RpcError) as caught:
        call()
    return caught.value


def until(condition) -> None:
    """Wait for something that has no event: at most WAIT seconds, checked often."""
    deadline = time.monotonic() + WAIT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        pause.wait(0.005)


# --- admission and threads ------------------------------------------------------------------------


def test_an_expired_call_never_starts(serve):
    served = serve(threads=1)
    raw = served.raw()
    first = served.start("Block", "first")
    assert served.service.entered.acquire(timeout=WAIT)
    stream = raw.request(framed(b"late"), path="/t.T/Block", grpc_timeout="50m")
    assert raw.answer(stream).status == ("4", "deadline exceeded")
    served.service.release.set()
    assert first.result() == b"first"
    assert served.unary("Block", "after") == "after"
    assert served.service.started == ["first", "after"]


def test_a_timeout_of_zero_is_answered_at_once(serve):
    served = serve()
    raw = served.raw()
    stream = raw.request(framed(b"x"), path="/t.T/Block", grpc_timeout="0S")
    assert raw.answer(stream).status == ("4", "deadline exceeded")
    raw.round_trip()
    assert served.service.started == []


def test_the_server_answers_deadline_exceeded_while_the_tool_runs(serve):
    served = serve()
    raw = served.raw()
    stream = raw.request(framed(b"x"), path="/t.T/Block", grpc_timeout="1S")
    assert served.service.entered.acquire(timeout=WAIT)
    assert raw.answer(stream).status == ("4", "deadline exceeded")
    assert not served.service.release.is_set()
    assert served.server.pool.busy == 1


def test_an_answer_after_the_deadline_is_none(serve, monkeypatch):
    """Also where the reactor has not looked at the clock yet."""
    served = serve()
    monkeypatch.setattr(Deadlines, "expire", lambda self, now: [])
    monkeypatch.setattr(Deadlines, "next_wait", lambda self, now: None)
    raw = served.raw()
    stream = raw.request(framed(b"x"), path="/t.T/UntilDeadline", grpc_timeout="1S")
    assert raw.answer(stream).status == ("4", "deadline exceeded")


def test_a_deadline_reaches_the_handler(serve):
    served = serve()
    raw = served.raw()  # our channel would cancel at the same moment
    stream = raw.request(framed(b"x"), path="/t.T/Wait", grpc_timeout="1S")
    assert raw.answer(stream).status[0] == "4"
    assert served.service.closed.wait(WAIT)
    [call] = served.service.calls
    assert call.cancelled
    assert call.time_remaining() == 0.0
    assert refused(call.raise_if_cancelled).code is StatusCode.DEADLINE_EXCEEDED


def test_the_channel_gives_up_at_its_deadline(serve):
    served = serve()
    error = refused(lambda: served.unary("Wait", timeout=1.0))
    assert error.code is StatusCode.DEADLINE_EXCEEDED
    assert served.service.closed.wait(WAIT)
    assert served.service.calls[0].cancelled


def test_a_method_may_outlive_the_callers_timeout(serve):
    served = serve()
    raw = served.raw()
    stream = raw.request(framed(b"x"), path="/t.T/Patient", grpc_timeout="1n")
    assert served.service.entered.acquire(timeout=WAIT)
    assert served.service.calls[0].deadline is None
    served.service.done.set()
    answer = raw.answer(stream)
    assert (answer.status[0], answer.data) == ("0", framed(b"x"))


def test_a_full_queue_refuses_at_once_and_inline_methods_go_on(serve):
    served = serve(threads=2, queue_limit=1)
    running = []
    for text in "ab":  # one after the other: the queue has room for one that is not taken yet
        running.append(served.start("Block", text))
        assert served.service.entered.acquire(timeout=WAIT)
    waiting = served.start("Block", "c")
    # Calls of one connection are taken in order: when this is answered the one above is queued.
    assert served.unary("Ping", "p").startswith("p ftbridge-reactor")
    error = refused(lambda: served.unary("Block", "d"))
    assert error.code is StatusCode.RESOURCE_EXHAUSTED
    assert "1 calls are waiting" in error.details
    error = refused(lambda: list(served.start("Count", "3")))
    assert error.code is StatusCode.RESOURCE_EXHAUSTED
    assert served.unary("Ping", "q").startswith("q ")
    served.service.release.set()
    assert [call.result() for call in [*running, waiting]] == [b"a", b"b", b"c"]


def test_calls_are_run_by_the_reactor_once_they_have_proved_short(serve):
    served = serve()
    assert served.unary("Quick", "").startswith("ftbridge-handler")
    while not served.service.cost.short:
        served.unary("Quick", "")
    until(lambda: served.unary("Quick", "").startswith("ftbridge-reactor"))
    assert served.unary("Quick", "unknown").startswith("ftbridge-handler")


def test_a_short_call_that_blocks_holds_up_nobody(serve):
    served = serve()
    service = served.service
    until(lambda: served.server._reactors[0]._relay.manned)
    service.cost.short = True
    blocked = served.start("Quick", "block")
    assert service.entered.acquire(timeout=WAIT)
    # On the same connection, by the thread that stood by, which has nobody behind it now.
    assert served.unary("Ping", "p") == "p ftbridge-reactor-0-standby"
    assert served.unary("Quick", "").startswith("ftbridge-handler")
    service.release.set()
    assert blocked.result() == b"ftbridge-reactor-0"
    # Once back, it stands by for the other.
    service.cost.short = True
    until(lambda: served.unary("Quick", "").startswith("ftbridge-reactor"))


def test_a_forced_stop_leaves_a_short_call_that_blocks_behind(serve):
    served = serve()
    until(lambda: served.server._reactors[0]._relay.manned)
    served.service.cost.short = True
    blocked = served.start("Quick", "block")
    assert served.service.entered.acquire(timeout=WAIT)
    served.server.stop(0)
    assert refused(blocked.result).code is StatusCode.UNAVAILABLE


@pytest.mark.parametrize("method", ["Upper", "Ping", "Fail", "Wait"])
def test_a_call_that_has_ended_needs_no_collection(serve, method):
    served = serve()
    served.service.done.set()

    def one() -> None:
        try:
            served.unary(method, "rpc")
        except RpcError:
            pass

    def left() -> int:
        served.service.calls.clear()
        # Not isinstance(): it asks a weak proxy, of which others may have left a dead one.
        return sum(issubclass(type(o), ServerCall | ClientCall) for o in gc.get_objects())

    one()
    gc.collect()
    before = left()  # of other tests
    gc.disable()
    try:
        for _ in range(20):
            one()
        # A thread's last one may still be on its way out.
        until(lambda: left() <= before + 2)
    finally:
        gc.enable()


def test_long_lived_calls_take_no_handler_and_are_bounded(serve):
    served = serve(threads=1, max_long_lived=2)
    first, second = served.start("Watch"), served.start("Watch")
    assert next(first) == next(second) == b"first"
    assert served.unary("Upper", "x") == "X"
    error = refused(lambda: next(served.start("Watch")))
    assert error.code is StatusCode.RESOURCE_EXHAUSTED
    assert "2 long-lived" in error.details
    served.service.done.set()
    assert list(first) == list(second) == []
    until(lambda: served.server.streams.busy == 0)
    assert next(served.start("Watch")) == b"first"


# --- cancellation ---------------------------------------------------------------------------------


def test_cancellation_reaches_the_handler(serve):
    served = serve()
    call = served.start("Wait")
    assert served.service.entered.acquire(timeout=WAIT)
    [seen] = served.service.calls
    assert not seen.cancelled
    call.cancel()
    assert served.service.closed.wait(WAIT)  # its done callback let it go on
    assert seen.cancelled
    assert refused(seen.raise_if_cancelled).code is StatusCode.CANCELLED
    assert refused(call.result).code is StatusCode.CANCELLED
    late = threading.Event()
    seen.add_done_callback(late.set)
    assert late.is_set()


@pytest.mark.parametrize("way", ["cancel", "disconnect"])
def test_a_vanished_reader_closes_the_generator(serve, way):
    served = serve()
    call = served.start("Endless")
    assert next(call) == b"x" * 1000
    if way == "cancel":
        call.cancel()
    else:
        served.channel.close()
    assert served.service.closed.wait(WAIT)
    assert served.service.done.is_set()
    assert served.service.calls[0].cancelled


def test_cancelling_a_client_stream_wakes_the_handler(serve):
    served = serve()
    served.service.release.set()
    raw = served.raw()
    stream = raw.request(framed(b"a"), end=False, path="/t.T/Slow")
    until(lambda: served.service.taken == 1)
    raw.h2.reset_stream(stream, 8)
    raw.flush()
    assert served.service.closed.wait(WAIT)
    assert served.service.calls[0].cancelled


def test_one_failing_done_callback_does_not_keep_the_others_from_running(serve, caplog):
    served = serve()
    call = served.start("Wait")
    assert served.service.entered.acquire(timeout=WAIT)
    ran = threading.Event()

    def broken() -> None:
        raise ValueError("callback")

    served.service.calls[0].add_done_callback(broken)
    served.service.calls[0].add_done_callback(ran.set)
    call.cancel()
    assert ran.wait(WAIT)
    assert "done callback of /t.T/Wait failed" in caplog.text


# --- failures of handlers -------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "text"), [("", "ValueError: broken"), ("exit", "SystemExit: 3")])
def test_other_exceptions_are_unknown_and_the_server_lives(serve, what, text):
    served = serve(threads=1)
    for _ in range(2):
        error = refused(lambda: served.unary("Fail", what))
        assert (error.code, error.details) == (StatusCode.UNKNOWN, text)
    assert served.unary("Upper", "x") == "X"


def test_a_request_the_codec_refuses(serve):
    served = serve()
    calls = (
        lambda: served.channel.unary("/t.T/Upper", b"\xff", timeout=WAIT),
        lambda: served.channel.stream_unary("/t.T/Join", [b"\xff"], timeout=WAIT),
    )
    for call in calls:
        error = refused(call)
        assert error.code is StatusCode.INTERNAL
        assert error.details.startswith("request is malformed")


def test_metadata_that_cannot_be_sent_is_an_error_of_the_call(serve):
    served = serve()
    error = refused(lambda: served.unary("Fail", "trailer"))
    assert error.code is StatusCode.INTERNAL
    assert "bad key" in error.details


def test_a_status_message_is_percent_encoded_and_cut(serve):
    served = serve()
    raw = served.raw()
    plain = raw.answer(raw.request(framed(b"rpc"), path="/t.T/Fail"))
    assert plain.status == ("5", "gone %E2%80%94 100%25%0A")
    long = raw.answer(raw.request(framed(b"long"), path="/t.T/Fail"))
    code, message = long.status
    assert code == "13"
    assert message is not None
    assert len(message) <= 4096
    assert message.endswith("%C3%A9... (cut)")


# --- what is not a call ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "application/json"}, "415"),
        ({"content_type": "application/grpcx"}, "415"),
        ({"method": "GET"}, "405"),
    ],
)
def test_other_http_is_answered_as_http(serve, headers, status):
    raw = serve().raw()
    answer = raw.answer(raw.request(framed(b"x"), **headers))
    assert answer.headers[":status"] == status
    assert "grpc-status" not in answer.headers
    # The connection goes on.
    assert raw.answer(raw.request(framed(b"x"))).data == framed(b"X")


@pytest.mark.parametrize("content_type", ["application/grpc+proto", "application/grpc;charset=x"])
def test_content_types_with_a_suffix_are_grpc(serve, content_type):
    raw = serve().raw()
    assert raw.answer(raw.request(framed(b"x"), content_type=content_type)).data == framed(b"X")


def test_an_unknown_method_is_unimplemented(serve):
    raw = serve().raw()
    answer = raw.answer(raw.request(framed(b"x"), path="/t.T/Nothing"))
    assert answer.status == ("12", "no method '/t.T/Nothing' here")
    assert answer.headers[":status"] == "200"
    assert answer.headers["content-type"] == "application/grpc"


@pytest.mark.parametrize("timeout", ["", "1", "x1S", "123456789S", "-1S", "1D"])
def test_a_malformed_timeout_is_an_error_of_the_call(serve, timeout):
    raw = serve().raw()
    answer = raw.answer(raw.request(framed(b"x"), grpc_timeout=timeout))
    assert answer.status[0] == "13"
    assert "grpc-timeout" in (answer.status[1] or "")


def test_an_unknown_encoding_is_refused_with_the_known_ones(serve):
    raw = serve().raw()
    answer = raw.answer(raw.request(framed(b"x", flag=1), grpc_encoding="br"))
    assert answer.status[0] == "12"
    assert answer.headers["grpc-accept-encoding"] == "identity,gzip"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "12"),
        (framed(b"x") * 2, "12"),
        (framed(b"xy")[:-1], "13"),
        (b"\0\0", "13"),
        (framed(b"x", flag=1), "13"),
        (framed(b"x", flag=2), "13"),
    ],
)
def test_a_malformed_unary_request(serve, body, code):
    raw = serve().raw()
    assert raw.answer(raw.request(body)).status[0] == code
    assert raw.answer(raw.request(framed(b"x"))).data == framed(b"X")


# --- messages -------------------------------------------------------------------------------------


def test_message_limits_both_ways(serve):
    served = serve(max_receive_bytes=1000, max_send_bytes=500)
    error = refused(lambda: served.unary("Upper", "x" * 1001))
    assert error.code is StatusCode.RESOURCE_EXHAUSTED
    assert "max_receive_bytes" in error.details
    error = refused(lambda: served.unary("Upper", "x" * 501))
    assert error.code is StatusCode.RESOURCE_EXHAUSTED
    assert "501" in error.details
    error = refused(lambda: list(served.start("Flood", "1x501")))
    assert error.code is StatusCode.RESOURCE_EXHAUSTED
    join = lambda: served.channel.stream_unary("/t.T/Join", [b"x", b"x" * 1001])  # noqa: E731
    assert refused(join).code is StatusCode.RESOURCE_EXHAUSTED
    assert served.unary("Upper", "x" * 500) == "X" * 500


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come(serve):
    served = serve(max_receive_bytes=1000)
    raw = served.raw()
    stream = raw.request(b"\0\xff\xff\xff\xff", end=False)
    assert raw.answer(stream).status[0] == "8"


def test_large_messages_both_ways(serve):
    served = serve()
    text = "abcd" * (5 << 20)
    assert served.unary("Upper", text) == text.upper()


def test_gzip_in_and_out(serve):
    raw = serve(compression="gzip").raw()
    squeezed = gzip.compress(b"x" * 5000)
    answer = raw.answer(
        raw.request(framed(squeezed, flag=1), grpc_encoding="gzip", grpc_accept_encoding="gzip")
    )
    assert answer.status[0] == "0"
    assert answer.headers["grpc-encoding"] == "gzip"
    assert answer.data[0] == 1
    assert gzip.decompress(answer.data[5:]) == b"X" * 5000
    # A caller that does not accept it gets none.
    plain = raw.answer(raw.request(framed(b"x" * 5000)))
    assert "grpc-encoding" not in plain.headers
    assert plain.data == framed(b"X" * 5000)


def test_gzip_through_the_channel(serve):
    served = serve(compression="gzip")
    assert served.unary("Upper", "x" * 50_000) == "X" * 50_000
    assert list(served.start("Count", "3")) == [b"0", b"1", b"2"]


def test_a_gzip_bomb_meets_the_limit(serve):
    raw = serve(max_receive_bytes=10_000).raw()
    bomb = gzip.compress(bytes(50_000_000))[:]
    small = framed(gzip.compress(bytes(10_001)), flag=1)
    assert len(bomb) > 10_000
    for body, code in ((small, "8"), (framed(b"no gzip", flag=1), "13")):
        assert raw.answer(raw.request(body, grpc_encoding="gzip")).status[0] == code


def test_an_answer_before_the_end_of_the_request_asks_the_caller_to_stop(serve):
    raw = serve().raw()
    stream = raw.request(framed(b"one"), end=False, path="/t.T/First")
    answer = raw.answer(stream)
    assert (answer.status[0], answer.data) == ("0", framed(b"one"))
    while answer.reset is None:
        assert raw.receive()
    assert answer.reset == 0  # NO_ERROR, RFC 9113 section 8.1


# --- flow control ---------------------------------------------------------------------------------


def test_a_generator_is_held_back_while_the_caller_does_not_read(serve):
    served = serve(threads=2)
    raw = served.raw()
    raw.credit = False
    size = 16_000
    stream = raw.request(framed(b"200x16000"), path="/t.T/Flood")
    answer = raw.answers[stream]
    while len(answer.data) < 65_535:  # the windows of a peer that changed nothing
        assert raw.receive()
    for _ in range(50):  # time for it to run away, if it could
        raw.round_trip()
    assert len(answer.data) == 65_535
    assert served.service.yielded <= 65_535 // size + 2
    raw.credit = True
    raw.h2.acknowledge_received_data(65_535, stream)
    raw.flush()
    assert raw.answer(stream).status[0] == "0"
    assert answer.data == framed(b"f" * size) * 200


def test_a_handler_that_waits_for_the_window_is_freed_by_a_reset(serve):
    served = serve(threads=1)
    raw = served.raw()
    raw.credit = False
    stream = raw.request(framed(b""), path="/t.T/Endless")
    while len(raw.answers[stream].data) < 65_535:
        assert raw.receive()
    raw.h2.reset_stream(stream, 8)
    raw.flush()
    assert served.service.closed.wait(WAIT)
    assert served.unary("Upper", "x") == "X"


def test_a_deadline_frees_a_handler_that_waits_for_the_window(serve):
    served = serve(threads=1)
    raw = served.raw()
    raw.credit = False
    stream = raw.request(framed(b""), path="/t.T/Endless", grpc_timeout="200m")
    answer = raw.answer(stream)
    assert answer.reset == 8 or answer.status[0] == "4"  # a status cannot pass the queued bytes
    assert served.service.closed.wait(WAIT)


def test_one_stalled_stream_does_not_stop_the_others(serve):
    served = serve()
    stalled = served.start("Flood", "100x1000000")
    assert len(next(stalled)) == 1_000_000
    for n in range(20):
        assert served.unary("Upper", f"n{n}") == f"N{n}"
    assert served.service.yielded < 100
    assert sum(len(item) for item in stalled) == 99_000_000


# --- stopping -------------------------------------------------------------------------------------


def test_stop_lets_running_calls_finish_and_takes_no_new_ones(serve):
    served = serve()
    running = served.start("Block", "a")
    assert served.service.entered.acquire(timeout=WAIT)
    stopper = threading.Thread(target=served.server.stop, args=(WAIT,))
    stopper.start()
    until(lambda: not served.channel._connection.usable)  # GOAWAY: the listener closes before it
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", served.port), WAIT)
    with Channel(f"127.0.0.1:{served.port}") as late:
        error = refused(lambda: late.unary("/t.T/Upper", b"x", timeout=WAIT))
    assert error.code is StatusCode.UNAVAILABLE
    assert not served.server.wait(0)
    served.service.release.set()
    assert running.result() == b"a"
    stopper.join(WAIT)
    assert served.server.wait(0)
    served.server.stop(0)  # again: nothing left to do


def test_a_call_after_goaway_on_the_old_connection_is_unavailable(serve):
    served = serve()
    running = served.start("Block", "a")
    assert served.service.entered.acquire(timeout=WAIT)
    stopper = threading.Thread(target=served.server.stop, args=(WAIT,))
    stopper.start()
    until(lambda: not served.channel._connection.usable)
    assert refused(lambda: served.unary("Upper", "x")).code is StatusCode.UNAVAILABLE
    served.service.release.set()
    assert running.result() == b"a"
    stopper.join(WAIT)


def test_a_forced_stop_gives_unavailable(serve):
    served = serve()
    running = served.start("Wait")
    held = served.start("Held")
    assert next(held) == b"first"
    assert served.service.entered.acquire(timeout=WAIT)
    stopper = threading.Thread(target=served.server.stop, args=(0,))
    stopper.start()
    for call in (running, held):
        error = refused(lambda call=call: next(call))
        assert (error.code, error.details) == (
            StatusCode.UNAVAILABLE,
            "server stopped before the call ended",
        )
    assert served.service.calls[0].cancelled
    served.service.open_gates()
    stopper.join(WAIT)
    assert not stopper.is_alive()


def test_a_second_stop_without_grace_cuts_the_first_short(serve):
    served = serve()
    running = served.start("Wait")
    assert served.service.entered.acquire(timeout=WAIT)
    stopper = threading.Thread(target=served.server.stop, args=(WAIT * 10,))
    stopper.start()
    until(lambda: not served.channel._connection.usable)
    served.server.stop(0)
    stopper.join(WAIT)
    assert not stopper.is_alive()
    assert refused(running.result).code is StatusCode.UNAVAILABLE


def test_a_later_stop_does_not_give_more_time(serve):
    served = serve()
    running = served.start("Block", "stuck")
    assert served.service.entered.acquire(timeout=WAIT)
    stopper = threading.Thread(target=served.server.stop, args=(0.2,))
    stopper.start()
    until(lambda: not served.channel._connection.usable)
    served.server.stop(WAIT * 10)  # returns with the first, which leaves the tool behind
    assert refused(running.result).code is StatusCode.UNAVAILABLE
    stopper.join(WAIT)


def test_stopping_ends_long_lived_calls_at_once(serve):
    served = serve()
    watch = served.start("Watch")
    assert next(watch) == b"first"
    began = time.monotonic()
    served.server.stop(WAIT)
    assert time.monotonic() - began < WAIT / 2
    assert refused(lambda: next(watch)).code is StatusCode.UNAVAILABLE


def test_a_quiet_stop_logs_nothing(serve, caplog):
    served = serve()
    assert served.unary("Upper", "x") == "X"
    served.server.stop(0)
    assert caplog.records == []


# --- listening ------------------------------------------------------------------------------------


def test_a_taken_port_is_an_error_that_names_it(serve):
    served = serve()
    address = f"127.0.0.1:{served.port}"
    other = create_server(served.service.methods(), listen=address)
    with pytest.raises(OSError, match=str(served.port)):
        other.start()


def test_a_unix_socket(tmp_path, serve):
    path = tmp_path / "s"
    server = create_server(serve().service.methods(), listen=f"unix:{path}")
    assert server.start() == 0
    with Channel(f"unix:{path}") as channel:
        assert channel.unary("/t.T/Upper", b"x", timeout=WAIT) == b"X"
    server.stop(0)
    assert not path.exists()


def test_two_methods_with_one_path(serve):
    method = Method(
        path="/t.T/A", kind=MethodKind.UNARY, handler=max, decode=bytes.decode, encode=str.encode
    )
    with pytest.raises(ValueError, match="same path"):
        create_server([method, method])


def test_a_peer_that_says_nothing_is_closed(serve):
    served = serve(handshake_timeout=0.01)
    with socket.create_connection(("127.0.0.1", served.port), WAIT) as sock:
        while sock.recv(1000):
            pass


def test_connections_beyond_the_limit_are_closed(serve):
    served = serve(max_connections=1)
    assert served.unary("Upper", "x") == "X"
    with socket.create_connection(("127.0.0.1", served.port), WAIT) as sock:
        assert sock.recv(1000) == b""
    assert served.unary("Upper", "y") == "Y"
