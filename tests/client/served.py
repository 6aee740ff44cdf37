"""A bridge on a socket for the client's tests, and an adapter whose tools meet the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ftbridge import StreamChunk, ThreadSafeAdapter, tool
from ftbridge.adapters.host import AdapterHost
from ftbridge.bridge.server import BridgeServer
from ftbridge.rpc import ServerOptions

WAIT = 20.0  # seconds; only ever used up when something is broken


class Meeting:
    """Where tests and running tools meet."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.ended = threading.Event()
        self.calls = 0


MEETING = Meeting()


class ClientAdapter(ThreadSafeAdapter):
    """Tools for the client's tests."""

    __thread_safe__ = True

    @tool(metadata={"idempotent": "true"})
    def echo(self, value: object = None) -> object:
        """Return the argument."""
        return value

    @tool
    def scale(self, x: np.ndarray, by: float = 2.0) -> object:
        """A new array."""
        return x * by

    @tool
    def look(self, x: np.ndarray) -> dict[str, object]:
        """What the tool is given."""
        return {"dtype": x.dtype.str, "shape": x.shape, "writeable": bool(x.flags.writeable)}

    @tool
    def whoami(self) -> dict[str, object]:
        """What the context says."""
        context = self.session_context
        return {
            "session": context.session_id,
            "metadata": dict(context.request_metadata),
            "session_metadata": dict(context.session_metadata),
            "correlation": context.correlation_id,
        }

    @tool
    def fail(self, message: str = "broken") -> None:
        """Raise."""
        raise KeyError(message)

    @tool
    def until_cancelled(self) -> None:
        """Wait for the caller to go."""
        MEETING.entered.release()
        self.session_context.wait_cancelled(WAIT)
        MEETING.ended.set()

    @tool
    def block(self, value: object = None) -> object:
        """Wait for the test."""
        MEETING.entered.release()
        MEETING.release.wait(WAIT)
        return value

    @tool(supports_streaming=True)
    def count(self, n: int, mark: bool = False) -> Iterator[StreamChunk]:
        """Count to n."""
        for i in range(n):
            yield StreamChunk(i, is_final=mark and i == n - 1, metadata={"i": str(i)})

    @tool(supports_streaming=True)
    def arrays(self) -> Iterator[np.ndarray]:
        """A small array and a large one."""
        yield np.array([1, 2], dtype="<i2")
        yield np.zeros((100, 100))

    @tool(supports_streaming=True)
    def endless(self) -> Iterator[int]:
        """Until closed."""
        n = 0
        try:
            while True:
                yield n
                n += 1
        finally:
            MEETING.ended.set()

    @tool(supports_streaming=True)
    def broken(self) -> Iterator[int]:
        """One chunk, then an error."""
        yield 1
        raise ValueError("half-way")


class Served:
    """A running server; `stop` and `start` again on the same port."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        self._options = options
        self.server = self._make("127.0.0.1:0")
        self.port = self.server.start()
        self.address = f"127.0.0.1:{self.port}"

    def _make(self, listen: str) -> BridgeServer:
        return BridgeServer(AdapterHost(ClientAdapter), listen=listen, options=self._options)

    def stop(self) -> None:
        self.server.stop(0.0)

    def restart(self) -> None:
        self.server = self._make(self.address)
        self.server.start()


def wait_until(condition: Any) -> None:
    """For conditions of another thread's that announce themselves in no other way."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
