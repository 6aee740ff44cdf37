"""The life of requests and streams as callers on a socket bring it about."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from bridge.adapters_for_tests import WAIT_SECONDS

from ftbridge import AdapterHost, BaseAdapter, StreamChunk, tool
from ftbridge.bridge.server import BridgeServer
from ftbridge.rpc import Channel, RpcError, ServerOptions, StatusCode
from ftbridge.wire import messages as m
from ftbridge.wire.values import encode_value

BRIDGE = "/snakepit.bridge.BridgeService/"
CHUNK_BYTES = 1 << 20


class Life:
    """What happened to the adapter, told to the test as it happens."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.ended = threading.Semaphore(0)
        self.cleaned = threading.Semaphore(0)
        self.log: list[str] = []
        self.made = 0


LIFE = Life()


class Lived(BaseAdapter):
    """Every way for a request to end, with its clean-up told."""

    __thread_safe__ = True

    async def initialize(self) -> None:
        LIFE.log.append("initialize")

    def cleanup(self) -> None:
        LIFE.log.append("cleanup")
        LIFE.cleaned.release()

    @tool
    def wait(self) -> str:
        LIFE.entered.release()
        LIFE.release.wait(WAIT_SECONDS)
        LIFE.log.append("tool ended")
        LIFE.ended.release()
        return "done"

    @tool
    async def sleep(self) -> None:
        LIFE.entered.release()
        try:
            await asyncio.sleep(3600)
        finally:
            LIFE.log.append("tool ended")

    @tool
    def fail(self, kind: str) -> None:
        LIFE.log.append("tool ended")
        if kind == "recursion":
            self.fail(kind)
        kinds = {"exit": SystemExit, "interrupt": KeyboardInterrupt, "value": ValueError}
        raise kinds[kind](f"of kind {kind}")

    @tool
    def fine(self, password: str = "") -> str:
        LIFE.log.append("tool ended")
        return "fine"

    @tool(supports_streaming=True)
    def flood(self) -> Iterator[bytes]:
        try:
            while True:
                LIFE.made += 1
                yield bytes(CHUNK_BYTES)
        finally:
            LIFE.log.append("tool ended")

    @tool(supports_streaming=True)
    async def async_flood(self):  # type: ignore[no-untyped-def]
        try:
            while True:
                LIFE.made += 1
                yield bytes(CHUNK_BYTES)
        finally:
            LIFE.log.append("tool ended")

    @tool(supports_streaming=True)
    async def stuck(self):  # type: ignore[no-untyped-def]
        yield "first"
        LIFE.entered.release()
        try:
            await asyncio.sleep(3600)
        finally:
            LIFE.log.append("tool ended")

    @tool(supports_streaming=True)
    def break_off(self, asynchronous: bool):  # type: ignore[no-untyped-def]
        return self._break_off_async() if asynchronous else self._break_off()

    def _break_off(self) -> Iterator[object]:
        yield {"data": 1, "is_final": False, "metadata": {"part": "a"}}
        raise LookupError("no second part")

    async def _break_off_async(self):  # type: ignore[no-untyped-def]
        yield StreamChunk(1, metadata={"part": "a"})
        raise LookupError("no second part")


@pytest.fixture
def channel() -> Iterator[Channel]:
    LIFE.__init__()  # type: ignore[misc]
    server = BridgeServer(AdapterHost(Lived), options=ServerOptions(threads=2))
    made = Channel(f"127.0.0.1:{server.start()}")
    yield made
    made.close()
    LIFE.release.set()
    server.stop(0)


def request(tool_name: str, **arguments: object) -> bytes:
    parameters = {key: encode_value(value) for key, value in arguments.items()}
    return m.ExecuteToolRequest(session_id="s", tool_name=tool_name, parameters=parameters).encode()


def execute(channel: Channel, name: str, timeout: float = WAIT_SECONDS, **arguments: object) -> Any:
    answer = channel.unary(BRIDGE + "ExecuteTool", request(name, **arguments), timeout=timeout)
    return m.ExecuteToolResponse.decode(answer)


def stream(channel: Channel, name: str, **arguments: object) -> Any:
    path = BRIDGE + "ExecuteStreamingTool"
    return channel.unary_stream(path, request(name, **arguments), timeout=WAIT_SECONDS)


def cleaned_once_after_the_tool() -> None:
    assert LIFE.cleaned.acquire(timeout=WAIT_SECONDS)
    assert LIFE.log == ["initialize", "tool ended", "cleanup"]
    assert not LIFE.cleaned.acquire(blocking=False)


# --- cleanup --------------------------------------------------------------------------------------


def test_cleanup_after_success(channel):
    assert execute(channel, "fine").success
    cleaned_once_after_the_tool()


@pytest.mark.parametrize(
    ("kind", "error"),
    [("value", "ValueError"), ("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt")],
)
def test_cleanup_after_an_error_that_ends_its_call_only(channel, kind, error):
    response = execute(channel, "fail", kind=kind)
    assert not response.success
    assert json.loads(response.error_message)["type"] == error
    cleaned_once_after_the_tool()
    assert execute(channel, "fine").success


def test_a_recursion_without_end_ends_its_call_only(channel):
    response = execute(channel, "fail", kind="recursion")
    assert json.loads(response.error_message)["type"] == "RecursionError"
    assert LIFE.log[-1] == "cleanup"
    assert execute(channel, "fine").success


def test_at_a_deadline_the_caller_hears_at_once_and_cleanup_waits_for_the_tool(channel):
    with pytest.raises(RpcError) as caught:
        execute(channel, "wait", timeout=1.0)
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
    assert LIFE.entered.acquire(timeout=WAIT_SECONDS)
    assert LIFE.log == ["initialize"]
    LIFE.release.set()
    cleaned_once_after_the_tool()


def test_a_caller_that_leaves_does_not_hurry_cleanup(channel):
    leaving = threading.Thread(target=lambda: _ignore(lambda: execute(channel, "wait")))
    leaving.start()
    assert LIFE.entered.acquire(timeout=WAIT_SECONDS)
    channel.close()
    leaving.join(WAIT_SECONDS)
    assert LIFE.log == ["initialize"]
    LIFE.release.set()
    cleaned_once_after_the_tool()


def test_an_async_tool_is_cancelled_at_its_deadline_and_then_cleaned_up(channel):
    with pytest.raises(RpcError) as caught:
        execute(channel, "sleep", timeout=1.0)
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
    cleaned_once_after_the_tool()


def _ignore(work: Any) -> None:
    try:
        work()
    except RpcError:
        pass


def test_an_errors_context_holds_no_arguments(channel):
    response = execute(channel, "fine", password=["hunter2"])
    error = json.loads(response.error_message)
    assert error["type"] == "ToolArgumentError"
    assert error["context"] == {"tool_name": "fine", "session_id": "s"}
    assert "hunter2" not in response.error_message


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flood", "async_flood"])
def test_an_endless_stream_is_held_back_by_a_reader_that_does_not_read(channel, name):
    chunks = stream(channel, name)
    next(chunks)
    # Other calls go on; each is a round trip in which the tool could run away.
    for _ in range(50):
        assert execute(channel, "fine").success
    # The peer's window, 8 MB at most, and what lies between it and the tool.
    assert LIFE.made * CHUNK_BYTES <= 32 << 20
    before = LIFE.made
    for _ in range(before):
        next(chunks)
    assert LIFE.made >= before  # it goes on as it is read
    chunks.cancel()


@pytest.mark.parametrize("name", ["flood", "async_flood", "stuck"])
def test_a_reader_that_vanishes_closes_the_generator_and_cleanup_follows(channel, name):
    chunks = stream(channel, name)
    next(chunks)
    if name == "stuck":
        assert LIFE.entered.acquire(timeout=WAIT_SECONDS)
    channel.close()
    cleaned_once_after_the_tool()


@pytest.mark.parametrize("asynchronous", [True, False])
def test_an_error_in_mid_stream_comes_after_the_chunks_with_its_structure(channel, asynchronous):
    chunks = stream(channel, "break_off", asynchronous=asynchronous)
    first = m.ToolChunk.decode(next(chunks))
    assert (first.data, first.is_final, first.metadata) == (b"1", False, {"part": "a"})
    with pytest.raises(RpcError) as caught:
        next(chunks)
    assert caught.value.code is StatusCode.INTERNAL
    error = json.loads(caught.value.details)
    assert (error["type"], error["message"]) == ("LookupError", "no second part")
    assert error["context"] == {"tool_name": "break_off", "session_id": "s"}
    assert any("_break_off" in line for line in error["stacktrace"])
    assert LIFE.cleaned.acquire(timeout=WAIT_SECONDS)
