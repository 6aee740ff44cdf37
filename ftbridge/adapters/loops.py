"""Event loops for async tools: one for each handler thread, kept and used again.

A loop per call would cost more than the call (a selector, a socket pair, their closing); one loop
for all threads would run them one after the other. Nothing that a tool starts outlives its call:
tasks that are left over are cancelled and awaited, as `asyncio.run` does.

Must never be imported before an adapter needs it: `asyncio` takes longer to import than all of the
adapter layer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator
from contextvars import ContextVar
from threading import Lock
from typing import Any, Final, cast

from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import AdapterError, HostClosedError, ToolCancelledError

type _Tasks = set[asyncio.Task[Any]]

# The tasks of the call that the running code belongs to. Inherited by every task it starts, so
# that two streams open on one thread do not cancel each other's tasks.
_CALL_TASKS: Final[ContextVar["_Tasks | None"]] = ContextVar("ftbridge_call_tasks", default=None)

_END: Final = object()


def _task_factory(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    **kwargs: Any,
) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(cast("Any", coro), loop=loop, **kwargs)
    tasks = _CALL_TASKS.get()
    if tasks is not None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return task


class HandlerLoop:
    """The event loop of one handler thread. Only that thread runs it."""

    __slots__ = ("_lock", "_loop", "_retired")

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(_task_factory)
        # Held while the loop runs, so that a closing host does not pull it away.
        self._lock = Lock()
        self._retired = False

    def run(self, awaitable: Awaitable[object], context: SessionContext) -> object:
        """Run one awaitable to its end on this thread.

        Cancelled at its next `await` when the request is cancelled or its deadline passes; then
        raises `ToolCancelledError` or `ToolDeadlineError`.
        """
        return self.drive(_as_coroutine(awaitable), context, set(), finish=True)

    def stream(self, source: AsyncIterator[object], context: SessionContext) -> "AsyncPump":
        """Iterate over an async iterator from this thread, one item when asked for one."""
        return AsyncPump(self, source, context)

    def close(self) -> None:
        """Close the loop, now when it is idle, else as soon as its thread is done with it."""
        self._retired = True
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._loop.close()
            finally:
                self._lock.release()

    def drive(
        self,
        coroutine: Coroutine[Any, Any, object],
        context: SessionContext,
        tasks: _Tasks,
        *,
        finish: bool,
    ) -> object:
        """Run a coroutine of a call to its end; with ``finish``, also end what the call started."""
        if asyncio._get_running_loop() is not None:
            coroutine.close()
            raise AdapterError(
                "An async tool runs on this thread already: await from it, do not call the host"
            )
        try:
            with self._lock:
                return self._drive(coroutine, context, tasks, finish=finish)
        finally:
            # After the lock: `close()` may have come since, and found it taken.
            if self._retired:
                self._close_if_idle()

    def _drive(
        self,
        coroutine: Coroutine[Any, Any, object],
        context: SessionContext,
        tasks: _Tasks,
        *,
        finish: bool,
    ) -> object:
        loop = self._loop
        if loop.is_closed():
            coroutine.close()
            raise HostClosedError("The host was closed while the call ran: its event loop is gone")
        token = _CALL_TASKS.set(tasks)
        task = loop.create_task(coroutine)
        stop = _Stop(loop, task)
        remaining = context.time_remaining()
        timer = None if remaining is None else loop.call_later(remaining, task.cancel)
        context.add_cancel_callback(stop)
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            context.raise_if_cancelled()
            raise ToolCancelledError("The tool was cancelled from inside") from None
        finally:
            context.remove_cancel_callback(stop)
            if timer is not None:
                timer.cancel()
            _CALL_TASKS.reset(token)
            if finish and tasks:
                loop.run_until_complete(_end_tasks(tuple(tasks)))


class _Stop:
    """Cancels a task from any thread. Compares equal by identity, as callbacks must."""

    __slots__ = ("_loop", "_task")

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop = loop
        self._task = task

    def __call__(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._task.cancel)
        except RuntimeError:  # the loop is closed: there is nothing left to cancel
            pass


class AsyncPump:
    """An async iterator seen as an ordinary one, on the thread of its `HandlerLoop`."""

    __slots__ = ("_context", "_loop", "_source", "_tasks")

    def __init__(
        self, loop: HandlerLoop, source: AsyncIterator[object], context: SessionContext
    ) -> None:
        self._loop = loop
        self._source = source
        self._context = context
        self._tasks: _Tasks = set()

    def __iter__(self) -> "AsyncPump":
        return self

    def __next__(self) -> object:
        item = self._loop.drive(_next_item(self._source), self._context, self._tasks, finish=False)
        if item is _END:
            raise StopIteration
        return item

    def close(self) -> None:
        """Close the source, and end the tasks it left behind."""
        # A fresh context: the call's own may be cancelled, and clean-up has to run all the same.
        self._loop.drive(_close(self._source), SessionContext(), self._tasks, finish=True)


async def _next_item(source: AsyncIterator[object]) -> object:
    try:
        return await anext(source)
    except StopAsyncIteration:
        return _END


async def _close(source: AsyncIterator[object]) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


async def _end_tasks(tasks: tuple[asyncio.Task[Any], ...]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _as_coroutine(awaitable: Awaitable[object]) -> Coroutine[Any, Any, object]:
    if asyncio.iscoroutine(awaitable):
        return awaitable
    return _await(awaitable)


async def _await(awaitable: Awaitable[object]) -> object:
    return await awaitable
