"""What a tool knows about the request it serves: session, metadata, deadline, cancellation.

The current request lives in a context variable, because one shared adapter serves many requests at
once and an attribute would show one request's session to another. Must never import the transport
or the wire: the bridge builds a context from a call, tests build one from nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from threading import Event, Lock
from types import MappingProxyType
from typing import Any, Final

from ftbridge.adapters.errors import AdapterError, ToolCancelledError, ToolDeadlineError
from ftbridge.adapters.host_access import (
    NO_HOST,
    HostAccess,
    HostToolDeadlineError,
    HostToolDescription,
    HostToolError,
)
from ftbridge.adapters.host_calls import HostToolsView, read_call
from ftbridge.adapters.offload import OFFLOAD
from ftbridge.adapters.single_flight import SingleFlight

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})

CURRENT: Final[ContextVar[SessionContext | None]] = ContextVar(
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
        "_host",
        "_host_tools",
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
        host: HostAccess = NO_HOST,
    ) -> None:
        self.session_id = session_id
        self.request_metadata = request_metadata
        self.session_metadata = session_metadata
        self.deadline = deadline
        self._host = host
        self._host_tools: SingleFlight[Mapping[str, HostToolDescription]] | None = None
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

    # --- the host's tools -----------------------------------------------------------------------

    @property
    def host_tools(self) -> HostToolsView:
        """The tools that the host exposes to this session, by name; loaded when first asked for.

        Each is a dict with ``name``, ``description`` and ``parameters`` (name to ``type``,
        ``required``, and ``description`` and ``default`` where there is one), and can be called:
        ``host_tools["name"](...)``. However many threads of this request ask, the list is loaded
        once; a failure is raised to those that waited for it and not kept.

        Raises `HostToolError`.
        """
        return HostToolsView(self._descriptions(), self.call_host_tool)

    elixir_tools = host_tools  # the name of the adapter guide

    async def aload_host_tools(self) -> HostToolsView:
        """`host_tools` without blocking the event loop."""
        await OFFLOAD.run(self._descriptions)
        return self.host_tools

    def call_host_tool(
        self, name: str, arguments: Mapping[str, object] | None = None, /, **named: object
    ) -> Any:
        """Call a tool of the host and return its result.

        The forms, which may be mixed::

            call_host_tool("store", value=1, unit="m")  # arguments by name
            call_host_tool("store", {"value": 1, "unit": "m"})
            call_host_tool("store", input={"value": 1}, options={"timeout": 5000})

        ``options`` with nothing but a ``timeout`` in milliseconds limits this call and is not
        sent, unless the tool is known to have a parameter of that name. ``input`` alone is spread
        over the tool's parameters when those are declared, ``input`` is none of them and all its
        keys are; otherwise it is an argument called ``input``. In the dict nothing is special.

        Blocks; takes any thread. The request's deadline, cancellation and correlation id go with
        the call. Values travel as JSON to a host elsewhere (bytes as ``{"raw_data_base64": ...}``)
        and as they are to the embedded host.

        Raises:
            HostToolNotFoundError: the host has no such tool for this session.
            HostToolArgumentError: the arguments do not fit, or their form is none of the above.
            HostToolFailedError: the host refused, or its tool failed; with the host's message.
            HostToolDeadlineError: no answer in time.
            HostUnavailableError: no host, or it cannot be reached.
            ToolCancelledError: the request itself was cancelled or ran out of time.
        """
        return self._call_host(self, name, arguments, named)

    call_elixir_tool = call_host_tool  # the name of the adapter guide

    async def acall_host_tool(
        self, name: str, arguments: Mapping[str, object] | None = None, /, **named: object
    ) -> Any:
        """`call_host_tool` for async tools: the event loop goes on meanwhile.

        The call runs on a thread, in a copy of the task's context; cancelling the task gives up
        a call to a host elsewhere, and leaves a function of the embedded host to its end.
        """
        # A context of the call's own, so that the task's cancellation ends this call only.
        mine = SessionContext(
            self.session_id,
            self.request_metadata,
            session_metadata=self.session_metadata,
            deadline=self.deadline,
            host=self._host,
        )
        self.add_cancel_callback(mine.cancel)
        try:
            work = partial(self._call_host, mine, name, arguments, named)
            return await OFFLOAD.run(work)
        finally:
            mine.cancel("The task that called the host was cancelled")
            self.remove_cancel_callback(mine.cancel)

    acall_elixir_tool = acall_host_tool

    def _call_host(
        self,
        context: SessionContext,
        name: str,
        arguments: Mapping[str, object] | None,
        named: dict[str, object],
    ) -> object:
        loading = self._host_tools
        sent, timeout = read_call(
            name,
            arguments,
            named,
            loaded=None if loading is None else loading.peek(),
            load=self._descriptions,
        )
        deadline = None if timeout is None else time.monotonic() + timeout
        return self._host.call_host_tool(context, name, sent, deadline)

    def _descriptions(self) -> Mapping[str, HostToolDescription]:
        loading = self._host_tools
        if loading is None:
            with self._lock:
                loading = self._host_tools
                if loading is None:
                    loading = self._host_tools = SingleFlight()
        try:
            return loading.get(
                partial(self._host.list_host_tools, self), timeout=self.time_remaining()
            )
        except HostToolError:
            raise
        except TimeoutError:
            raise HostToolDeadlineError(
                "the list of the host's tools has not come before the request's deadline"
            ) from None


def current_session() -> SessionContext:
    """The context of the request that this code serves, from anywhere below a tool.

    Async tasks, threads and work for a `ThreadPoolExecutor` that a tool starts see it too
    (`ftbridge.adapters.inherit` says what is not reached). Raises `AdapterError` outside a request.
    """
    context = CURRENT.get()
    if context is None:
        raise AdapterError("There is no current request: current_session() is for code in a tool")
    return context
