"""The adapter that ftbridge serves in a benchmark.

Its own, not the example's, so that the stock servers can run the very same functions.
"""

from collections.abc import Iterator
from typing import ClassVar

from ftbridge import StreamChunk, ThreadSafeAdapter, tool

from . import work


class BenchAdapter(ThreadSafeAdapter):
    """`work`'s functions as tools, with no state: what is measured is the way to them."""

    __thread_safe__: ClassVar[bool] = True

    @tool
    def echo(self, text: str, count: int) -> dict[str, object]:
        """Two arguments in, a JSON object out."""
        return work.echo(text, count)

    @tool
    def echo_bytes(self, data: bytes) -> bytes:
        """What came in, as it came."""
        return work.echo_bytes(data)

    @tool(supports_streaming=True)
    def count(self, to: int) -> Iterator[StreamChunk]:
        """A stream of small objects."""
        for item in work.count(to):
            yield StreamChunk(item)

    @tool
    def burn(self, iterations: int) -> dict[str, int]:
        """A CPU-bound loop."""
        return work.burn(iterations)

    @tool
    def about(self) -> dict[str, object]:
        """What this server runs on."""
        return work.about()
