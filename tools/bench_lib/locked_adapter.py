"""The bench adapter with a lock in its small call: what a profile of locks costs a server."""

from ftbridge import tool

from . import work
from .adapter import BenchAdapter


class LockedAdapter(BenchAdapter):
    """`echo` under the class's lock, as short as a lock is held in practice."""

    @tool
    def echo(self, text: str, count: int) -> dict[str, object]:
        """Two arguments in, a JSON object out."""
        with self.acquire_lock():
            return work.echo(text, count)
