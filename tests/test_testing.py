from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ftbridge import StreamChunk, ThreadSafeAdapter, testing, tool
from ftbridge.adapters.errors import ThreadSafetyError
from ftbridge.rpc import Channel, RpcError


class Sample(ThreadSafeAdapter):
    __thread_safe__ = True

    @tool
    def add(self, a: int, b: int) -> int:
        return a + b

    @tool
    def word(self) -> object:
        return self.config["word"]

    @tool
    def fail(self) -> None:
        raise KeyError("lost")

    @tool(supports_streaming=True)
    def marked(self, n: int) -> Iterator[StreamChunk]:
        for i in range(n):
            yield StreamChunk(i, is_final=i == n - 1)

    @tool(supports_streaming=True)
    def unmarked(self) -> Iterator[int]:
        yield 1
        raise RuntimeError("in the middle")


class Unsafe(ThreadSafeAdapter):
    @tool
    def thread(self) -> int:
        return threading.get_ident()


@pytest.fixture(scope="module")
def served() -> Iterator[testing.Served]:
    with testing.serve(Sample, config={"word": "w"}, threads=2) as running:
        yield running


def test_calls(served):
    assert served.call("add", a=1, b=2) == 3
    assert served.call("word") == "w"
    assert served.tools == ["add", "fail", "marked", "unmarked", "word"]


def test_errors(served):
    with pytest.raises(testing.ToolError) as caught:
        served.call("fail")
    assert caught.value.type == "KeyError"


def test_streams(served):
    assert list(served.stream("marked", n=3)) == [0, 1, 2]
    stream = served.stream("unmarked")
    assert next(stream) == 1
    with pytest.raises(testing.ToolError, match="in the middle"):
        next(stream)


def test_afterwards_nothing_listens():
    with testing.serve(Sample) as running:
        address = running.address
        threads = threading.active_count()
    assert threading.active_count() < threads
    with Channel(address) as channel, pytest.raises(RpcError):
        channel.unary("/snakepit.bridge.BridgeService/Ping", b"", timeout=5.0)


def test_what_cannot_be_served_is_refused_and_what_is_serialized_served():
    with pytest.raises(ThreadSafetyError), testing.serve(Unsafe):
        pass
    with testing.serve(Unsafe, serialize=True) as running:
        assert isinstance(running.call("thread"), int)
