"""A host that knows how many tools run now, and lends an instance to whoever checks it.

For `ftbridge.hammer.child` alone: counting takes a lock that all calls would share.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from ftbridge.adapters.base import BaseAdapter
from ftbridge.adapters.chunks import StreamChunk
from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.host import AdapterHost
from ftlocks import ShardedCounter


class WatchedHost(AdapterHost):
    """`AdapterHost`, counted."""

    # Kept per thread: a lock here would order every two calls, and hide their races.
    _entered = ShardedCounter(name="tools entered")
    _left = ShardedCounter(name="tools left")

    def active(self) -> bool:
        """Whether a tool may be running. False is certain once no more calls come."""
        left = self._left.value()
        return self._entered.value() != left

    def call(self, tool_name: str, arguments: dict[str, object], context: SessionContext) -> object:
        self._entered.add()
        try:
            return super().call(tool_name, arguments, context)
        finally:
            self._left.add()

    def stream(
        self, tool_name: str, arguments: dict[str, object], context: SessionContext
    ) -> Iterator[StreamChunk]:
        self._entered.add()
        try:
            yield from super().stream(tool_name, arguments, context)
        finally:
            self._left.add()

    @contextmanager
    def borrowed(self) -> Iterator[BaseAdapter]:
        """An instance as a request would get it."""
        context = copy_context()
        instance = context.run(self._life.obtain)
        try:
            yield instance
        finally:
            context.run(self._life.release, instance)
