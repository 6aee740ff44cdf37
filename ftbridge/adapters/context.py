"""What a tool knows about the request it serves: session, metadata, deadline, cancellation.

The current request lives in a context variable, because one shared adapter serves many requests at
once and an attribute would show one request's session to another. Must never import the transport
or the wire: the bridge builds a context from a call, tests build one from nothing.
"""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from threading import Event, Lock
from types import MappingProxyType
from typing import Final

from ftbridge.adapters.errors import AdapterError, ToolCancelledError, ToolDeadlineError

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})

CURRENT: Final[ContextVar["SessionContext | None"]] = ContextVar(
    "ftbridge_session_context", default=None
)


class SessionContext:
    """One request, as its tool sees it.

    `deadline` is in seconds of `time.monotonic()`, or None. Cancellation is cooperative: nothing
    stops a running Python function from outside, so a long tool asks `cancelled`, calls
    `raise_if_cancelled()`, or sleeps in `wait_cancelled()`; a generator is closed at its next
    `yield`, an async tool is cancelled at its next `await`.

    Happens-before: what a thread did before `cancel()` is visible to a thread that has seen
    `cancelled` become true, and to the callbacks.
    """

    __slots__ = (
        "_callbacks",
        "_lock",
        "_reason",
        "deadline",
        "request_metadata",
        "session_id",
        "session_metadata",
    )

    def __init__(
        self,
        session_id: str = "",
        request_metadata: Mapping[str, str] = _NO_METADATA,
        *,
        session_metadata: Mapping[str, str] = _NO_METADATA,
        deadline: float | None = None,
    ) -> None:
        self.session_id = session_id
        self.request_metadata = request_metadata
        self.session_metadata = session_metadata
        self.deadline = deadline
        self._reason: str | None = None
        self._callbacks: list[Callable[[], object]] | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled else "active"
        return f"<SessionContext session_id={self.session_id!r} {state}>"

    @property
    def correlation_id(self) -> str:
        """The id that ties this request to its caller's log lines, or an empty string."""
        return self.request_metadata.get("correlation_id", "")

    @property
    def cancelled(self) -> bool:
        """Whether the result is of no use any more: the caller cancelled, left or timed out."""
        return self._reason is not None or (
            self.deadline is not None and time.monotonic() >= self.deadline
        )

    def time_remaining(self) -> float | None:
        """Seconds until the deadline, never negative, or None when there is no deadline."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def raise_if_cancelled(self) -> None:
        """Raise `ToolDeadlineError` or `ToolCancelledError` when the call should stop."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise ToolDeadlineError("The call's deadline has passed")
        if self._reason is not None:
            raise ToolCancelledError(self._reason)

    def wait_cancelled(self, timeout: float | None = None) -> bool:
        """Sleep until the call should stop, at most `timeout` seconds; whether it should stop."""
        remaining = self.time_remaining()
        limits = [limit for limit in (timeout, remaining) if limit is not None]
        stop = Event()
        self.add_cancel_callback(stop.set)
        try:
            stop.wait(min(limits) if limits else None)
        finally:
            self.remove_cancel_callback(stop.set)
        return self.cancelled

    def cancel(self, reason: str = "The caller cancelled the call") -> None:
        """Tell the tool to stop, from any thread; the first reason stays. Never raises.

        Callbacks run on this thread, in the order they were added, once.
        """
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def add_cancel_callback(self, callback: Callable[[], object]) -> None:
        """Have `callback()` run at `cancel()`, or at once when that has happened.

        It must not raise and should not block. The deadline passing calls nothing: whoever owns
        the clock (the transport, an event loop) calls `cancel()`.
        """
        with self._lock:
            if self._reason is None:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(callback)
                return
        callback()

    def remove_cancel_callback(self, callback: Callable[[], object]) -> None:
        """Forget a callback; no error when it has run or was never added."""
        with self._lock:
            if self._callbacks is not None and callback in self._callbacks:
                self._callbacks.remove(callback)


def current_session() -> SessionContext:
    """The context of the request that this code serves, from anywhere below a tool.

    Async tasks, threads and work for a `ThreadPoolExecutor` that a tool starts see it too
    (`ftbridge.adapters.inherit` says what is not reached). Raises `AdapterError` outside a request.
    """
    context = CURRENT.get()
    if context is None:
        raise AdapterError("There is no current request: current_session() is for code in a tool")
    return context
