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
    """The event loop of one handler thread. Only that thread runs it, until it is closed."""

    __slots__ = ("_lock", "_loop", "_retired", "_streams")

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(_task_factory)
        # Held while the loop runs, so that a closing host does not pull it away.
        self._lock = Lock()
        self._retired = False
        # Tasks of streams that wait for their reader, with the loop at rest.
        self._streams: _Tasks = set()

    def run(self, awaitable: Awaitable[object], context: SessionContext) -> object:
        """Run one awaitable to its end on this thread.

        Cancelled at its next `await` when the request is cancelled or its deadline passes; then
        raises `ToolCancelledError` or `ToolDeadlineError`.
        """
        tasks: _Tasks = set()
        task = self._start(_as_coroutine(awaitable), tasks)
        try:
            self._wait(task, _Stop(self._loop, task), context)
            return _outcome(task, context)
        finally:
            self._end(tasks)

    def stream(self, source: AsyncIterator[object], context: SessionContext) -> "AsyncPump":
        """Iterate over an async iterator from this thread, one item when asked for one."""
        return AsyncPump(self, source, context)

    def close(self) -> None:
        """Close the loop, now when it is idle, else as soon as its thread is done with it.

        Streams that are still open are cancelled and awaited first.
        """
        self._retired = True
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                if self._streams and not self._loop.is_closed():
                    self._loop.run_until_complete(_end_tasks(tuple(self._streams)))
                self._loop.close()
            finally:
                self._lock.release()

    def _start(self, coroutine: Coroutine[Any, Any, object], tasks: _Tasks) -> asyncio.Task[Any]:
        """Make a task of a call. It, and what it starts, are in `tasks` until they are done."""
        try:
            self._check()
        except AdapterError:
            coroutine.close()
            raise
        token = _CALL_TASKS.set(tasks)
        try:
            return self._loop.create_task(coroutine)
        finally:
            _CALL_TASKS.reset(token)

    def _check(self) -> None:
        if asyncio._get_running_loop() is not None:
            raise AdapterError(
                "An async tool runs on this thread already: await from it, do not call the host"
            )
        if self._loop.is_closed():
            raise HostClosedError("The host was closed while the call ran: its event loop is gone")

    def _wait(self, until: asyncio.Future[Any], stop: "_Stop", context: SessionContext) -> None:
        """Run the loop until `until` is done, however it ends; `stop` with the request."""
        remaining = context.time_remaining()
        timer = None if remaining is None else self._loop.call_later(remaining, stop.fire)
        context.add_cancel_callback(stop)
        try:
            self._run_until(until)
        finally:
            if timer is not None:
                timer.cancel()
            context.remove_cancel_callback(stop)

    def _run_until(self, until: asyncio.Future[Any]) -> None:
        try:
            with self._lock:
                self._check()
                self._loop.run_until_complete(until)
        except BaseException:
            # What ended a future is for its owner to read; what ended the loop is not.
            if not until.done():
                raise
        finally:
            # After the lock: `close()` may have come since, and found it taken.
            if self._retired:
                self._close_if_idle()

    def _end(self, tasks: _Tasks) -> None:
        """Cancel what a call has left running, and wait for it."""
        if tasks and not self._loop.is_closed():
            self._run_until(self._loop.create_task(_end_tasks(tuple(tasks))))


class _Stop:
    """Cancels a call's task, once, from any thread. Compares by identity, as callbacks must.

    Once, because the caller's cancellation and the deadline may both come, and the second one
    would interrupt the clean-up that the first one began.
    """

    __slots__ = ("_loop", "_task", "fired")

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop = loop
        self._task = task
        self.fired = False

    def __call__(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self.fire)
        except RuntimeError:  # the loop is closed: there is nothing left to cancel
            pass

    def fire(self) -> None:
        """Cancel, on the loop's own thread."""
        if not self.fired:
            self.fired = True
            self._task.cancel()


def _outcome(task: asyncio.Task[Any], context: SessionContext) -> object:
    """What a task that is done returned; raises what ended it."""
    try:
        return task.result()
    except asyncio.CancelledError:
        context.raise_if_cancelled()
        raise ToolCancelledError("The tool was cancelled from inside") from None


class AsyncPump:
    """An async iterator seen as an ordinary one, on the thread of its `HandlerLoop`.

    One task makes all the items. A task for each would be shorter, and would break what tools
    write around a `yield`: `asyncio.timeout` and `TaskGroup` interrupt the task that entered them,
    and a context variable set before one item would be forgotten at the next.
    """

    __slots__ = ("_context", "_demand", "_item", "_loop", "_source", "_stop", "_tasks", "_turn")

    def __init__(
        self, loop: HandlerLoop, source: AsyncIterator[object], context: SessionContext
    ) -> None:
        self._loop = loop
        self._source = source
        self._context = context
        self._tasks: _Tasks = set()
        self._stop: _Stop | None = None  # holds the task, once there is one
        self._turn: asyncio.Future[None] | None = None  # done: an item lies ready, or none will
        self._demand: asyncio.Future[bool] | None = None  # true: the next item; false: close
        self._item: object = _END

    def __iter__(self) -> "AsyncPump":
        return self

    def __next__(self) -> object:
        loop = self._loop
        loop._check()
        stop = self._stop
        if stop is None:
            task = loop._start(self._make_items(), self._tasks)
            task.add_done_callback(self._hand_over)
            self._stop = stop = _Stop(loop._loop, task)
        elif stop._task.done():
            raise StopIteration
        elif self._context.cancelled and not stop.fired:
            stop.fire()  # instead of beginning another item
        elif self._demand is not None:
            self._demand.set_result(True)
        task = stop._task
        self._turn = turn = loop._loop.create_future()
        loop._streams.discard(task)
        try:
            loop._wait(turn, stop, self._context)
        finally:
            if not task.done():
                loop._streams.add(task)
        item, self._item = self._item, _END
        if item is _END:
            _outcome(task, self._context)
            raise StopIteration
        return item

    def close(self) -> None:
        """Close the source, and end the tasks it left behind."""
        loop = self._loop
        try:
            if self._stop is None:
                loop.run(_close(self._source), SessionContext())
            elif not self._stop._task.done():
                loop._check()
                task = self._stop._task
                loop._streams.discard(task)
                if self._demand is not None and not self._demand.done():
                    self._demand.set_result(False)
                else:  # what ended the loop in the middle of an item was no exception of the tool
                    task.cancel()
                # No deadline and no cancellation of the call: the clean-up has to run.
                loop._run_until(task)
                if not task.cancelled():
                    task.result()
        finally:
            loop._end(self._tasks)

    def _hand_over(self, _: object = None) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.set_result(None)

    async def _make_items(self) -> None:
        source = self._source
        interrupt: asyncio.CancelledError | None = None
        may_await = True
        try:
            while True:
                try:
                    if interrupt is None:
                        item = await anext(source)
                    else:
                        item = await _throw(source, interrupt)
                except StopAsyncIteration:
                    return
                interrupt = None
                self._demand = demand = self._loop._loop.create_future()
                self._item = item
                self._hand_over()
                try:
                    if not await demand:
                        return
                except asyncio.CancelledError as cancelled:
                    # Of the call, or of a timeout or task group around the tool's `yield`: only
                    # they can tell, so the tool has to see it.
                    interrupt = cancelled
        except GeneratorExit:  # thrown away with a loop that nobody closed
            may_await = False
            raise
        finally:
            if may_await:
                await _close(source)


async def _throw(source: AsyncIterator[object], error: BaseException) -> object:
    throw = getattr(source, "athrow", None)
    if throw is None:
        raise error
    return await throw(error)


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
