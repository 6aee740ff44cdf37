from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from ftbridge.rpc import Method, MethodKind, RpcError, ServerOptions, StatusCode, create_server
from ftbridge.rpc import grpcio_transport as transport

WAIT = 20.0  # seconds; only ever used up when something is broken


# --- the import -----------------------------------------------------------------------------------


def test_a_missing_package_is_named_with_the_ways_out(monkeypatch):
    monkeypatch.setattr(transport, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"not installed.*ftbridge\[grpcio\].*native"):
        transport.load_grpc(allow_gil=True)


@pytest.fixture
def importable(monkeypatch):
    """A grpc that can be imported, on an interpreter that has its GIL off."""
    stand_in = types.ModuleType("grpc")

    class Finder:
        def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
            import importlib.machinery

            if name != "grpc":
                return None
            return importlib.machinery.ModuleSpec("grpc", Loader())

    class Loader:
        def create_module(self, spec: object) -> types.ModuleType:
            return stand_in

        def exec_module(self, module: types.ModuleType) -> None:
            pass

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.setattr(transport, "_can_lose_gil_freedom", lambda: True)
    with mock.patch.dict(sys.modules):
        sys.modules.pop("grpc", None)
        yield stand_in


def test_an_import_that_would_switch_the_gil_on_is_refused(importable):
    with pytest.raises(RuntimeError, match=r"switch the GIL on.*--allow-gil"):
        transport.load_grpc(allow_gil=False, switches_gil_on=lambda: True)
    assert "grpc" not in sys.modules


def test_a_build_that_leaves_the_gil_off_is_imported(importable):
    assert transport.load_grpc(allow_gil=False, switches_gil_on=lambda: False) is importable


def test_allow_gil_imports_without_asking(importable):
    def never() -> bool:
        raise AssertionError("asked")

    assert transport.load_grpc(allow_gil=True, switches_gil_on=never) is importable


def test_the_question_is_asked_of_another_process(tmp_path, monkeypatch):
    package = tmp_path / "grpc"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    # The other process answers for this interpreter: a GIL build has it on whatever is imported.
    assert transport._import_switches_gil_on() is bool(sys._is_gil_enabled())
    (package / "__init__.py").write_text("raise ImportError('libfoo.so is missing')")
    with pytest.raises(RuntimeError, match=r"libfoo\.so is missing"):
        transport._import_switches_gil_on()


# --- the server, with the official client ---------------------------------------------------------


def as_text(data: bytes) -> str:
    return data.decode("ascii")


class Service:
    """One method of each kind, and some that misbehave; the codec is ASCII."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.closed = threading.Event()
        self.done = threading.Event()
        self.calls: list[Any] = []

    def methods(self) -> list[Method]:
        def method(name: str, kind: MethodKind, handler: Any, **options: Any) -> Method:
            return Method(
                path=f"/t.T/{name}",
                kind=kind,
                handler=handler,
                decode=as_text,
                encode=str.encode,
                **options,
            )

        unary, server_stream = MethodKind.UNARY, MethodKind.SERVER_STREAM
        return [
            method("Upper", unary, self.upper),
            method("Ping", unary, self.upper, inline=True),
            method("Fail", unary, self.fail),
            method("Block", unary, self.block),
            method("Wait", unary, self.wait),
            method("Count", server_stream, self.count),
            method("Endless", server_stream, self.endless),
            method("Join", MethodKind.CLIENT_STREAM, self.join),
            method("Echo", MethodKind.BIDI, self.echo),
            method("Watch", server_stream, self.watch, long_lived=True),
        ]

    def upper(self, text: str, call: Any) -> str:
        self.calls.append(call)
        call.send_initial_metadata((("x-first", "1"),))
        call.set_trailing_metadata((("x-last", "2"),))
        return text.upper()

    def fail(self, text: str, call: Any) -> str:
        if text == "rpc":
            raise RpcError(
                StatusCode.NOT_FOUND, "gone \u2014 100%", trailing_metadata=(("why", "x"),)
            )
        if text == "long":
            raise RpcError(StatusCode.INTERNAL, "%" * 50_000)
        if text == "exit":
            raise SystemExit(3)
        raise ValueError("broken")

    def block(self, text: str, call: Any) -> str:
        self.entered.release()
        self.release.wait(WAIT)
        return text

    def wait(self, text: str, call: Any) -> str:
        self.calls.append(call)
        call.add_done_callback(self.done.set)
        self.entered.release()
        self.done.wait(WAIT)
        self.closed.set()
        return text

    def count(self, text: str, call: Any) -> Iterator[str]:
        for n in range(int(text)):
            yield str(n)
        if text == "2":
            raise RpcError(StatusCode.DATA_LOSS, "lost")

    def endless(self, text: str, call: Any) -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            self.closed.set()

    def join(self, texts: Iterator[str], call: Any) -> str:
        return "".join(texts)

    def echo(self, texts: Iterator[str], call: Any) -> Iterator[str]:
        for text in texts:
            yield text + "!"

    def watch(self, text: str, call: Any) -> Iterator[str]:
        call.add_done_callback(self.done.set)
        yield "first"
        self.done.wait(WAIT)


@pytest.fixture
def grpc() -> Any:
    if sys._is_gil_enabled():
        return pytest.importorskip("grpc")
    return pytest.skip("grpcio would switch the GIL on")


@pytest.fixture
def serve(grpc) -> Iterator[Any]:
    opened: list[Any] = []

    def start(service: Service, **options: Any) -> Any:
        server = create_server(
            service.methods(),
            transport="grpcio",
            options=ServerOptions(**{"threads": 2, **options}),
        )
        channel = grpc.insecure_channel(f"127.0.0.1:{server.start()}")
        opened.append((server, channel, service))
        channel.server = server
        return channel

    yield start
    for server, channel, service in opened:
        service.release.set()
        service.done.set()
        channel.close()
        server.stop(0)


def invoke(channel: Any, name: str, text: str = "", **options: Any) -> Any:
    return channel.unary_unary(f"/t.T/{name}").with_call(
        text.encode(), **{"timeout": WAIT, **options}
    )


def refused(grpc: Any, invocation: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        invocation()
    return caught.value.code().name, caught.value.details()


def test_unary_with_metadata_both_ways(serve):
    service = Service()
    channel = serve(service)
    metadata = (("x-key", "v"), ("x-raw-bin", b"\x00\xff"))
    response, call = invoke(channel, "Upper", "abc", metadata=metadata)
    assert response == b"ABC"
    assert dict(call.initial_metadata())["x-first"] == "1"
    assert dict(call.trailing_metadata())["x-last"] == "2"
    seen = service.calls[0]
    assert set(metadata) <= set(seen.invocation_metadata)
    assert seen.peer.startswith("ipv4:127.0.0.1:")
    assert 0 < seen.time_remaining() <= WAIT + 1  # grpc measures by another clock


def test_a_call_without_a_deadline_has_none(serve):
    service = Service()
    invoke(serve(service), "Upper", "abc", timeout=None)
    assert service.calls[0].deadline is None
    assert service.calls[0].time_remaining() is None


def test_initial_metadata_goes_once(serve):
    service = Service()
    service.upper = lambda text, call: [  # type: ignore[method-assign,assignment]
        call.send_initial_metadata(()),
        call.send_initial_metadata(()),
    ]
    channel = serve(service)
    with pytest.raises(Exception, match="initial metadata has been sent already"):
        invoke(channel, "Upper")


def test_streams_of_every_kind(serve):
    channel = serve(Service())
    count = channel.unary_stream("/t.T/Count")(b"3", timeout=WAIT)
    assert list(count) == [b"0", b"1", b"2"]
    join = channel.stream_unary("/t.T/Join")(iter([b"a", b"b", b"c"]), timeout=WAIT)
    assert join == b"abc"
    echo = channel.stream_stream("/t.T/Echo")(iter([b"a", b"b"]), timeout=WAIT)
    assert list(echo) == [b"a!", b"b!"]
    assert channel.stream_unary("/t.T/Join")(iter([]), timeout=WAIT) == b""


def test_statuses_keep_code_text_and_metadata(serve, grpc):
    channel = serve(Service())
    with pytest.raises(grpc.RpcError) as caught:
        invoke(channel, "Fail", "rpc")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "gone \u2014 100%"
    assert dict(caught.value.trailing_metadata())["why"] == "x"


def test_a_long_status_message_is_cut_not_refused(serve, grpc):
    code, details = refused(grpc, lambda: invoke(serve(Service()), "Fail", "long"))
    assert code == "INTERNAL"
    assert details.endswith("... (cut)")


@pytest.mark.parametrize(("what", "text"), [("", "ValueError: broken"), ("exit", "SystemExit: 3")])
def test_other_exceptions_are_unknown_and_the_server_lives(serve, grpc, what, text):
    channel = serve(Service())
    assert refused(grpc, lambda: invoke(channel, "Fail", what)) == ("UNKNOWN", text)
    assert invoke(channel, "Upper", "x")[0] == b"X"


def test_an_error_in_mid_stream(serve, grpc):
    got = []
    stream = serve(Service()).unary_stream("/t.T/Count")(b"2", timeout=WAIT)
    assert refused(grpc, lambda: got.extend(stream)) == ("DATA_LOSS", "lost")
    assert got == [b"0", b"1"]


def test_a_request_the_codec_refuses(serve, grpc):
    channel = serve(Service())
    for call in (
        lambda: channel.unary_unary("/t.T/Upper")(b"\xff", timeout=WAIT),
        lambda: channel.stream_unary("/t.T/Join")(iter([b"\xff"]), timeout=WAIT),
    ):
        code, details = refused(grpc, call)
        assert code == "INTERNAL"
        assert details.startswith("request is malformed")


def test_an_unknown_method_is_unimplemented(serve, grpc):
    assert refused(grpc, lambda: invoke(serve(Service()), "Nothing"))[0] == "UNIMPLEMENTED"


def test_message_limits_both_ways(serve, grpc):
    channel = serve(Service(), max_receive_bytes=1000, max_send_bytes=500)
    assert refused(grpc, lambda: invoke(channel, "Upper", "x" * 1001))[0] == "RESOURCE_EXHAUSTED"
    code, details = refused(grpc, lambda: invoke(channel, "Upper", "x" * 501))
    assert code == "RESOURCE_EXHAUSTED"
    assert "501" in details
    assert invoke(channel, "Upper", "x" * 500)[0] == b"X" * 500


def test_ping_is_answered_and_excess_refused_while_every_handler_is_busy(serve, grpc):
    service = Service()
    channel = serve(service, threads=1, queue_limit=1)
    block = channel.unary_unary("/t.T/Block")
    running = block.future(b"a", timeout=WAIT)
    assert service.entered.acquire(timeout=WAIT)
    waiting = block.future(b"b", timeout=WAIT)
    # Calls of one connection arrive in order: once this is answered, the one above is queued.
    assert invoke(channel, "Ping", "p")[0] == b"P"
    code, details = refused(grpc, lambda: invoke(channel, "Block", "c"))
    assert code == "RESOURCE_EXHAUSTED"
    assert "1 calls are waiting" in details
    assert refused(grpc, lambda: list(channel.unary_stream("/t.T/Count")(b"3", timeout=WAIT)))
    service.release.set()
    assert (running.result(), waiting.result()) == (b"a", b"b")


def test_cancellation_reaches_the_handler(serve):
    service = Service()
    future = serve(service).unary_unary("/t.T/Wait").future(b"", timeout=WAIT)
    assert service.entered.acquire(timeout=WAIT)
    assert not service.calls[0].cancelled
    future.cancel()
    assert service.closed.wait(WAIT)
    assert service.calls[0].cancelled
    with pytest.raises(RpcError) as caught:
        service.calls[0].raise_if_cancelled()
    assert caught.value.code is StatusCode.CANCELLED


def test_a_deadline_reaches_the_handler(serve, grpc):
    service = Service()
    channel = serve(service)
    assert refused(grpc, lambda: invoke(channel, "Wait", timeout=0.2))[0] == "DEADLINE_EXCEEDED"
    assert service.closed.wait(WAIT)
    with pytest.raises(RpcError) as caught:
        service.calls[0].raise_if_cancelled()
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED


def test_a_vanished_reader_closes_the_generator(serve):
    service = Service()
    stream = serve(service).unary_stream("/t.T/Endless")(b"", timeout=WAIT)
    assert next(stream) == b"x"
    stream.cancel()
    assert service.closed.wait(WAIT)


def test_long_lived_calls_take_no_handler_and_are_bounded(serve, grpc):
    service = Service()
    channel = serve(service, threads=1, max_long_lived=2)
    watch = channel.unary_stream("/t.T/Watch")
    first, second = watch(b"", timeout=WAIT), watch(b"", timeout=WAIT)
    assert next(first) == next(second) == b"first"
    assert invoke(channel, "Upper", "x")[0] == b"X"
    code, details = refused(grpc, lambda: next(watch(b"", timeout=WAIT)))
    assert code == "RESOURCE_EXHAUSTED"
    assert "2 long-lived" in details
    service.done.set()
    assert list(first) == list(second) == []
    third = watch(b"", timeout=WAIT)
    assert next(third) == b"first"


def test_gzip(serve, grpc):
    channel = serve(Service(), compression="gzip")
    response, _ = invoke(channel, "Upper", "x" * 10_000, compression=grpc.Compression.Gzip)
    assert response == b"X" * 10_000


def test_stop_lets_running_calls_finish(serve):
    service = Service()
    channel = serve(service)
    future = channel.unary_unary("/t.T/Block").future(b"a", timeout=WAIT)
    assert service.entered.acquire(timeout=WAIT)
    stopper = threading.Thread(target=channel.server.stop, args=(WAIT,))
    stopper.start()
    assert not channel.server.wait(0.05)
    service.release.set()
    assert future.result() == b"a"
    stopper.join(WAIT)
    assert channel.server.wait(0)
    channel.server.stop(0)  # again: nothing left to do


def test_a_second_stop_without_grace_cancels_what_the_first_waits_for(serve, grpc):
    service = Service()
    channel = serve(service)
    future = channel.unary_unary("/t.T/Wait").future(b"", timeout=WAIT)
    assert service.entered.acquire(timeout=WAIT)
    stopper = threading.Thread(target=channel.server.stop, args=(WAIT,))
    stopper.start()
    assert not channel.server.wait(0.05)
    channel.server.stop(0)
    assert service.closed.wait(WAIT)
    stopper.join(WAIT / 2)
    assert not stopper.is_alive()
    assert refused(grpc, future.result)[0] in ("CANCELLED", "UNAVAILABLE")


def test_a_taken_port_is_an_error_that_names_it(serve):
    channel = serve(Service())
    del channel
    service = Service()
    taken = create_server(service.methods(), transport="grpcio")
    port = taken.start()
    try:
        other = create_server(service.methods(), transport="grpcio", listen=f"127.0.0.1:{port}")
        with pytest.raises(OSError, match=str(port)):
            other.start()
        other.stop(0)
    finally:
        taken.stop(0)


def test_two_methods_with_one_path(grpc):
    [method, *_] = Service().methods()
    with pytest.raises(ValueError, match="same path"):
        create_server([method, method], transport="grpcio")
