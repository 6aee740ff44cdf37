"""The session context of a call that came over the wire.

Tools see cancellation and deadline through their context; here they are the call's. The link is
pulled, not pushed: a context asks its call when it is asked, and hangs a callback on it only when
a tool wants to be told, so that a small call pays nothing for being cancellable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock

from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.host_access import NO_HOST, HostAccess
from ftbridge.rpc.method import Call
from ftbridge.telemetry import CORRELATION_HEADER as CORRELATION_HEADER  # for the other modules

CORRELATION_KEY = "correlation_id"
"""The id of `CORRELATION_HEADER` in a request's own metadata, and in what a tool sees."""


class CallContext(SessionContext):
    """`SessionContext` whose deadline and cancellation are those of a gRPC call.

    Also cancelled once the call has ended: what a tool left running in the background learns
    that way that its result is of no use.
    """

    __slots__ = ("_call", "_linked", "sampling_key")

    def __init__(
        self,
        call: Call,
        session_id: str,
        request_metadata: Mapping[str, str],
        session_metadata: Mapping[str, str],
        host: HostAccess = NO_HOST,
        sampling_key: int = 0,
    ) -> None:
        # The base's own __init__, written out: on the way of every call, it saves a quarter.
        self.session_id = session_id
        self.request_metadata = request_metadata
        self.session_metadata = session_metadata
        self.deadline = call.deadline
        self._host = host
        self._host_tools = None
        self._reason = None
        self._callbacks = None
        self._lock = Lock()
        self._call = call
        self._linked = False
        # What the tool emits is sampled together with the call's own events.
        self.sampling_key = sampling_key

    @property
    def cancelled(self) -> bool:
        """Whether the result is of no use any more: the caller cancelled, left or timed out."""
        return self._call.cancelled or super().cancelled

    def raise_if_cancelled(self) -> None:
        """Raise `ToolDeadlineError` or `ToolCancelledError` when the call should stop."""
        if self._call.cancelled:
            self.cancel()
        super().raise_if_cancelled()

    def add_cancel_callback(self, callback: Callable[[], object]) -> None:
        """Have `callback()` run when the call is cancelled or ends, at once if it has.

        It may run on a reactor thread: it must not raise or block.
        """
        super().add_cancel_callback(callback)
        # Two threads may both get here and link twice; cancelling twice is the same as once.
        if not self._linked:
            self._linked = True
            self._call.add_done_callback(self.cancel)


def correlation_id(call: Call, request_metadata: Mapping[str, str]) -> str:
    """The id from the call's header, else from the request's metadata, else an empty string."""
    for key, value in call.invocation_metadata:
        if key == CORRELATION_HEADER:
            return value if isinstance(value, str) else ""
    return request_metadata.get(CORRELATION_KEY, "")
