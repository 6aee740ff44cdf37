"""The adapter that a server process under test serves.

Tools meet the test through FIFOs: opening one blocks until the other end is opened too, which
works between processes and needs no clock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from ftbridge import ThreadSafeAdapter, tool

PARTIES = 8
WAIT_SECONDS = 30.0  # only ever used up when something is broken


class AcceptanceAdapter(ThreadSafeAdapter):
    """Tools for the acceptance tests."""

    __thread_safe__ = True

    def __init__(self) -> None:
        super().__init__()
        self._barrier = threading.Barrier(PARTIES)

    @tool
    def add(self, a: int, b: int) -> int:
        """Add two integers."""
        return a + b

    @tool
    def blob(self, data: bytes) -> bytes:
        """Return the bytes as they came."""
        return data

    @tool
    def fail(self, message: str) -> None:
        """Raise ValueError."""
        raise ValueError(message)

    @tool
    def until_cancelled(self, fifo: str) -> str:
        """Wait for the caller to go, then write what happened to the FIFO."""
        gone = self.session_context.wait_cancelled(WAIT_SECONDS)
        Path(fifo).write_text("cancelled" if gone else "timed out")
        return "done"

    @tool(supports_streaming=True)
    def count(self, n: int) -> Iterator[int]:
        """Count up to n."""
        yield from range(n)

    @tool(supports_streaming=True)
    def endless(self, fifo: str) -> Iterator[int]:
        """Yield until closed, then say so on the FIFO."""
        n = 0
        try:
            while True:
                yield n
                n += 1
        finally:
            Path(fifo).write_text("closed")

    @tool(supports_streaming=True)
    def gated(self, fifo: str) -> Iterator[str]:
        """Say that it runs; end when something has been written to the FIFO."""
        yield "running"
        yield Path(fifo).read_text()

    @tool
    def overlap(self, rounds: int, fifo: str) -> dict[str, object]:
        """CPU-bound work on a thread of eight that are all inside at once.

        The barrier breaks, and the tool fails, unless eight calls are inside together; the
        second one holds them until all have computed. Rank 0 then waits for the test's FIFO.
        """
        rank = self._barrier.wait(WAIT_SECONDS)
        total = 0
        for n in range(rounds):
            total += n * n % 7
        self._barrier.wait(WAIT_SECONDS)
        if rank == 0:
            Path(fifo).read_text()
        self._barrier.wait(WAIT_SECONDS)
        return {"thread": threading.current_thread().name, "total": total}
