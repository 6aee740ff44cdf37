"""A channel's calls for coroutines: an event loop is never made to wait.

Responses arrive on the channel's reactor, which wakes the coroutine through
``call_soon_threadsafe``. There is no thread per call; only connecting, which the operating system
may take its time over, happens on a thread of its own, one for all calls that wait for it.

Coroutines of several loops, in several threads, may use one channel at a time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from .channel import CallEnd, Channel, ClientCall
from .framing import frame
from .method import DEFAULT_MAX_MESSAGE_BYTES
from .status import Metadata, RpcError, StatusCode

if TYPE_CHECKING:
    from types import TracebackType

# Seconds after which a coroutine that waits for room looks again: a stream may have ended between
# its look and its wait.
_LOOK_AGAIN: Final = 0.1


class _Waker:
    """Wakes one coroutine, from any thread. An object, since closures would never be freed."""

    __slots__ = ("_event", "_loop", "error")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self.error: RpcError | None = None

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:
            pass  # the loop is closed, and the coroutine with it

    def connected(self, error: RpcError | None) -> None:
        self.error = error
        self.wake()

    def rearm(self) -> None:
        """Look after this and before `wait`: what comes in between is not missed."""
        self._event.clear()

    async def wait(self, timeout: float | None = None) -> None:
        """Until woken, or for ``timeout`` seconds."""
        if timeout is None:
            await self._event.wait()
            return
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            pass


class AsyncCall(AsyncIterator[bytes]):
    """An open call: ``async for`` over its responses. For one task; `cancel` is for any thread."""

    def __init__(self, call: ClientCall, waker: _Waker, timer: asyncio.TimerHandle | None) -> None:
        self._call = call
        self._waker = waker
        self._timer = timer

    async def __anext__(self) -> bytes:
        """The next response. Raises `RpcError` when the call failed; a cancelled task cancels."""
        item = await self._next()
        if isinstance(item, bytes):
            return item
        item.check()
        raise StopAsyncIteration

    async def result(self) -> bytes:
        """The only response of a call that has one. Raises `RpcError`."""
        first = await self._next()
        if isinstance(first, CallEnd):
            first.check()
            raise RpcError(StatusCode.UNIMPLEMENTED, "the server sent OK without a response")
        last = await self._next()
        if isinstance(last, bytes):
            self.cancel()
            raise RpcError(StatusCode.UNIMPLEMENTED, "the server sent more than one response")
        last.check()
        return first

    def cancel(self) -> None:
        """Give the call up, unless it has ended: the server is told."""
        self._call.close()
        if self._timer is not None:
            self._timer.cancel()

    async def aclose(self) -> None:
        """`cancel`, for ``contextlib.aclosing``."""
        self.cancel()

    async def _next(self) -> bytes | CallEnd:
        waker, poll = self._waker, self._call.poll
        try:
            while True:
                waker.rearm()
                item = poll()
                if item is not None:
                    break
                await waker.wait()
        except BaseException:
            self.cancel()
            raise
        if isinstance(item, CallEnd) and self._timer is not None:
            self._timer.cancel()
        return item


class AsyncChannel:
    """`Channel` for coroutines; the same errors.

    Args:
        channel: whose calls they are; closed by `close`.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()  # held for moments only
        self._waiting: list[_Waker] = []  # for the connection
        self._connecting = False

    async def __aenter__(self) -> AsyncChannel:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def unary(
        self, path: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> bytes:
        """One request, one response. Cancelling the task cancels the call."""
        call = await self.unary_stream(path, request, timeout=timeout, metadata=metadata)
        return await call.result()

    async def unary_stream(
        self, path: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncCall:
        """One request; iterate over the responses, and close the call if that ends early."""
        channel = self._channel
        deadline = None if timeout is None else time.monotonic() + timeout
        block = channel.head(path, timeout, metadata)
        data = frame(request, limit=DEFAULT_MAX_MESSAGE_BYTES)
        waker = _Waker()
        while True:
            connection = channel.connected()
            if connection is None:
                await self._connect(waker, deadline)
                continue
            call = channel.open_call(connection, block, data, deadline, waker.wake)
            if call is not None:
                break
            if connection.usable:  # as many calls are open as the server allows
                waker.rearm()
                connection.when_room(waker.wake)
                await waker.wait(min(_LOOK_AGAIN, _remaining(deadline, "sending")))
        timer = None
        if deadline is not None:
            left = max(0.0, deadline - time.monotonic())
            timer = asyncio.get_running_loop().call_later(left, call.expire)
        return AsyncCall(call, waker, timer)

    async def close(self) -> None:
        """Close the connection; open calls end with UNAVAILABLE."""
        # It joins the reactor, which is about to end: a moment, but not the loop's.
        await asyncio.to_thread(self._channel.close)

    async def _connect(self, waker: _Waker, deadline: float | None) -> None:
        left = _remaining(deadline, "connecting")
        waker.rearm()
        waker.error = None
        with self._lock:
            self._waiting.append(waker)
            start = not self._connecting
            self._connecting = True
        if start:
            threading.Thread(
                target=self._connect_for_all, name="ftbridge-connect", daemon=True
            ).start()
        await waker.wait(None if deadline is None else left)
        if waker.error is not None:
            raise waker.error
        _remaining(deadline, "connecting")

    def _connect_for_all(self) -> None:
        error: RpcError | None = None
        try:
            self._channel.connect()
        except RpcError as failed:
            error = failed
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._connecting = False
        for waker in waiting:
            waker.connected(error)


def _remaining(deadline: float | None, what: str) -> float:
    """Seconds left; infinity without a deadline. Raises `RpcError` when there are none."""
    if deadline is None:
        return float("inf")
    left = deadline - time.monotonic()
    if left <= 0:
        raise RpcError(StatusCode.DEADLINE_EXCEEDED, f"deadline exceeded before {what}")
    return left
