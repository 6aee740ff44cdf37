"""The adapter that `tools/bench soak` serves: a tool for each way in which a call can go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import ClassVar

from ftbridge import StreamChunk, ThreadSafeAdapter, telemetry, tool

WAIT_SECONDS = 30.0  # only ever used up when a call is not ended


class SoakAdapter(ThreadSafeAdapter):
    """Shared by all threads, with a span in each call, so that telemetry is under load too."""

    __thread_safe__: ClassVar[bool] = True

    @tool
    def echo(self, text: str, count: int) -> dict[str, object]:
        """Return the arguments."""
        with telemetry.span("echo", {"count": count}):
            return {"text": text, "count": count}

    @tool
    def fail(self, text: str) -> None:
        """Raise ValueError."""
        raise ValueError(text)

    @tool
    def wait(self) -> bool:
        """Wait until the call has been ended by its deadline or its caller."""
        # Not `wait_cancelled`, which returns at the deadline: the result could be there first.
        ended = threading.Event()
        self.session_context.add_cancel_callback(ended.set)
        return ended.wait(WAIT_SECONDS)

    @tool
    async def later(self, text: str) -> str:
        """Echo, from a coroutine."""
        return text

    @tool(supports_streaming=True)
    def count(self, n: int) -> Iterator[StreamChunk]:
        """Count up to n."""
        for i in range(n):
            yield StreamChunk({"i": i}, is_final=i == n - 1)

    @tool(supports_streaming=True)
    def endless(self) -> Iterator[str]:
        """Chunks of a kilobyte until the reader leaves."""
        chunk = "x" * 1024
        while True:
            yield chunk

    @tool(supports_streaming=True)
    def breaks(self, n: int) -> Iterator[int]:
        """Count up to n, then raise RuntimeError."""
        yield from range(n)
        raise RuntimeError("broken on purpose")
