"""The adapter that the bridge's tests serve: a tool for each thing a tool can do."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ftbridge import StreamChunk, ThreadSafeAdapter, tool
from ftbridge.adapters.errors import ToolCancelledError
from ftbridge.rpc.status import RpcError, StatusCode

WAIT_SECONDS = 20.0  # only ever used up when something is broken


class Gates:
    """Where tests and running tools meet."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.closed = threading.Semaphore(0)


GATES = Gates()


class DemoAdapter(ThreadSafeAdapter):
    """Tools for tests."""

    __thread_safe__ = True

    @tool(description="Add two integers")
    def add(self, a: int, b: int = 0) -> int:
        return a + b

    @tool
    def echo(self, value: object = None) -> object:
        """Return the argument."""
        return value

    @tool
    def blob(self, data: bytes) -> bytes:
        """Return the bytes twice."""
        return data * 2

    @tool
    def whoami(self) -> dict[str, object]:
        """What the context says."""
        context = self.session_context
        return {
            "session": context.session_id,
            "metadata": dict(context.request_metadata),
            "session_metadata": dict(context.session_metadata),
            "correlation": context.correlation_id,
            "deadline": context.deadline is not None,
            "thread": threading.get_ident(),
        }

    @tool
    def fail(self, kind: str, message: str = "broken") -> None:
        """Raise something."""
        kinds: dict[str, type[BaseException]] = {
            "value": ValueError,
            "exit": SystemExit,
            "interrupt": KeyboardInterrupt,
            "memory": MemoryError,
            "cancelled": ToolCancelledError,
        }
        if kind == "recursion":
            self._recurse()
        if kind == "rpc":
            raise RpcError(StatusCode.FAILED_PRECONDITION, message)
        raise kinds[kind](message)

    def _recurse(self) -> None:
        self._recurse()

    @tool
    def block(self) -> str:
        """Wait for the test."""
        GATES.entered.release()
        GATES.release.wait(WAIT_SECONDS)
        return "released"

    @tool
    def until_cancelled(self) -> str:
        """Wait for the caller to go."""
        GATES.entered.release()
        self.session_context.wait_cancelled(WAIT_SECONDS)
        GATES.closed.release()
        self.session_context.raise_if_cancelled()
        return "not cancelled"

    @tool(supports_streaming=True)
    def count(self, n: int, final: bool = True) -> Iterator[StreamChunk]:
        """Count, and mark the last chunk if asked to."""
        for i in range(n):
            yield StreamChunk({"i": i}, is_final=final and i == n - 1)

    @tool(supports_streaming=True)
    def kinds(self) -> Iterator[object]:
        """Yield every form of a chunk."""
        yield None
        yield b"raw"
        yield "text \u00e9 \ud800"
        yield [1, None]
        yield {"data": {"x": 1}, "is_final": False}
        yield {"data": 1}
        yield StreamChunk(memoryview(b"view"), metadata={"n": "1", "s": "\ud800"})
        yield {"data": "end", "is_final": True}

    @tool(supports_streaming=True)
    def endless(self) -> Iterator[int]:
        """Go on until closed."""
        n = 0
        try:
            while True:
                yield n
                n += 1
        finally:
            GATES.closed.release()

    @tool(supports_streaming=True)
    def break_after(self, n: int, message: str = "broken") -> Iterator[int]:
        """Fail in mid-stream."""
        yield from range(n)
        raise ValueError(message)
