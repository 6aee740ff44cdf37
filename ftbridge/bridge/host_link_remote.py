"""The line to a host in another process: an Elixir BridgeServer at an address.

A host that hangs must cost nothing to tools that do not need it: their calls wait for it at most
once a session, for `ATTACH_SECONDS`. Everything else here has a time limit, and what a reactor
asks for (`renew`) is done on other threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ftbridge.adapters.host_access import (
    HostToolDeadlineError,
    HostToolDescription,
    HostToolError,
    HostToolFailedError,
    HostToolNotFoundError,
    HostUnavailableError,
)
from ftbridge.rpc import RpcError, StatusCode
from ftbridge.wire import messages

from .context import CORRELATION_KEY
from .host_channel import HostChannel
from .host_registration import registrations
from .host_sessions import HostSessions, Peer, says_unknown
from .host_values import description_of, from_result, to_argument

if TYPE_CHECKING:
    from ftbridge.adapters.context import SessionContext

    from .registry import ToolRegistry
    from .sessions import Session, SessionStore

_log = logging.getLogger("ftbridge.bridge")

CALL_SECONDS: Final = 300.0
"""Longest wait for a host tool where neither the request nor the call sets a limit; about the
host's own default for a call (298.8 s)."""

SESSION_SECONDS: Final = 5.0
"""Longest wait for what the host answers in a millisecond when it is well: sessions, lists."""

ATTACH_SECONDS: Final = 0.5
"""How long the first call of a session waits for its tools to be registered."""

_UNKNOWN_TOOL_STARTS: Final = ("{:tool_not_found", "tool_not_found", "Tool not found")
"""How the host's refusals begin, as seen on it: tuples of Elixir, printed."""


class RemoteHostLink:
    """See `HostLink`. One connection, made when it is first needed and again when it is lost.

    Args:
        address: of the host's BridgeServer, ``host:port``.
        worker_id: under which the host's pool knows this worker, or how to find it out
            (`host_registration.worker_id_from_ready_file`). Without one, no tools are registered:
            the host could not call them.
        call_timeout: seconds; see `CALL_SECONDS`.
        session_timeout: seconds; see `SESSION_SECONDS`.
        attach_wait: seconds; see `ATTACH_SECONDS`.
        clock: monotonic seconds; measures when sessions are to be renewed and told anew.

    Raises:
        ValueError: bad address.
    """

    remote = True

    def __init__(
        self,
        address: str,
        *,
        worker_id: str | Callable[[], str] = "",
        call_timeout: float = CALL_SECONDS,
        session_timeout: float = SESSION_SECONDS,
        attach_wait: float = ATTACH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self._call_timeout = call_timeout
        self._session_timeout = session_timeout
        self._channel = HostChannel(address)
        self._there = HostSessions(
            self._channel,
            worker_id=worker_id,
            timeout=session_timeout,
            attach_wait=attach_wait,
            clock=clock,
        )
        self._here: SessionStore | None = None
        self._lock = threading.Lock()  # of `Session.peer`

    def bind(self, sessions: SessionStore, registry: ToolRegistry, adapter_class: type) -> None:
        """See `HostLink`."""
        self._here = sessions
        self._there.tools = registrations(registry.adapter_specs.values(), adapter_class)

    def close(self) -> None:
        """Close the connection; what waits for the host gets `HostUnavailableError`."""
        self._channel.close()

    # --- for tools ------------------------------------------------------------------------------

    def list_host_tools(self, context: SessionContext) -> Mapping[str, HostToolDescription]:
        """What the host exposes to the context's session."""
        timeout = self._limit(context, None, self._session_timeout, "")
        try:
            answer = self._channel.ask(
                "GetExposedElixirTools",
                messages.GetExposedElixirToolsRequest(session_id=context.session_id),
                messages.GetExposedElixirToolsResponse,
                timeout,
                context=context,
                again=True,
            )
        except RpcError as error:
            raise self._error(error, context, timeout, "", "GetExposedElixirTools") from None
        return {spec.name: description_of(spec) for spec in answer.tools}

    def call_host_tool(
        self,
        context: SessionContext,
        name: str,
        arguments: dict[str, object],
        deadline: float | None,
    ) -> object:
        """See `HostAccess`. A call is never made twice: one that was lost on the way is an error.

        The only exception is a session that the host has forgotten: it refuses such a call
        before it looks for the tool.
        """
        context.raise_if_cancelled()
        if not context.session_id:
            raise HostToolError(
                f"host tool {name!r}: this request has no session, and a host runs its tools in "
                "sessions only; send a session_id with the request",
                tool_name=name,
            )
        peer = self._peer(context.session_id)
        request = messages.ExecuteElixirToolRequest(
            session_id=context.session_id,
            tool_name=name,
            parameters={key: to_argument(value) for key, value in arguments.items()},
        )
        if context.correlation_id:
            request.metadata[CORRELATION_KEY] = context.correlation_id
        answer = self._execute(peer, context, request, deadline)
        if not answer.success and self._has_forgotten(peer, answer.error_message, context):
            answer = self._execute(peer, context, request, deadline)
        if answer.success:
            return from_result(answer)
        said = answer.error_message or "no reason given"
        if said.startswith(_UNKNOWN_TOOL_STARTS):
            raise HostToolNotFoundError(name, reason=f"the host says: {said}")
        raise HostToolFailedError(name, said)

    def _execute(
        self,
        peer: Peer,
        context: SessionContext,
        request: messages.ExecuteElixirToolRequest,
        deadline: float | None,
    ) -> messages.ExecuteElixirToolResponse:
        name = request.tool_name
        timeout = self._limit(context, deadline, self._call_timeout, name)
        try:
            self._there.introduce(peer, min(timeout, self._session_timeout))
        except RpcError as error:
            raise self._error(error, context, timeout, name, "InitializeSession") from None
        timeout = self._limit(context, deadline, self._call_timeout, name)
        try:
            answer = self._channel.ask(
                "ExecuteElixirTool",
                request,
                messages.ExecuteElixirToolResponse,
                timeout,
                context=context,
            )
        except RpcError as error:
            raise self._error(error, context, timeout, name, "ExecuteElixirTool") from None
        self._there.seen(peer)
        return answer

    def _has_forgotten(self, peer: Peer, said: str, context: SessionContext) -> bool:
        """Whether the host refused a call for want of its session, and not the tool by itself."""
        if not says_unknown(said):
            return False
        try:
            return not self._there.alive(peer, self._limit(context, None, self._call_timeout, ""))
        except RpcError:
            return False

    # --- for the service ------------------------------------------------------------------------

    def attach(self, session: Session) -> None:
        """See `HostLink`."""
        peer = session.peer
        self._there.attach(peer if isinstance(peer, Peer) else self._peer(session.session_id))

    def renew(self, session_id: str) -> None:
        """See `HostLink`."""
        session = None if self._here is None else self._here.get(session_id)
        if session is not None and isinstance(session.peer, Peer):
            self._there.renew(session.peer)

    def initialize(
        self, session: Session, request: messages.InitializeSessionRequest, timeout: float | None
    ) -> None:
        """Tell the host, also when it was told before, and register the tools.

        A host that cannot be reached is told later; that must not fail a session which works here.
        """
        peer = self._peer(session.session_id)
        peer.request = request
        peer.known.forget()
        limit = self._session_timeout
        if timeout is not None:
            limit = min(limit, timeout / 2)  # our own answer has to come in time too
        try:
            self._there.introduce(peer, limit)
        except RpcError as error:
            if error.code not in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED):
                raise
            _log.warning(
                "session %r could not be told to the host at %s, which is tried again: %s",
                session.session_id,
                self.address,
                error,
            )
            return
        self._there.settle(peer)

    def cleanup(self, request: messages.CleanupSessionRequest) -> int | None:
        """Tell the host; None when it cannot be reached, which then forgets the session itself."""
        try:
            answer = self._channel.ask(
                "CleanupSession",
                request,
                messages.CleanupSessionResponse,
                self._session_timeout,
                again=True,
            )
        except RpcError as error:
            _log.warning("session %r was not cleaned at the host: %s", request.session_id, error)
            return None
        return answer.resources_cleaned

    def find(
        self, request: messages.GetSessionRequest, timeout: float | None
    ) -> messages.GetSessionResponse | None:
        """Ask the host. Raises `RpcError` when it cannot be reached."""
        limit = self._session_timeout
        try:
            return self._channel.ask(
                "GetSession",
                request,
                messages.GetSessionResponse,
                limit if timeout is None else min(limit, timeout),
                again=True,
            )
        except RpcError as error:
            if error.code is StatusCode.NOT_FOUND:
                return None
            raise

    # --- private --------------------------------------------------------------------------------

    def _peer(self, session_id: str) -> Peer:
        """What is known of the session at the host; kept with the session that is open here."""
        session = None if self._here is None else self._here.get(session_id)
        if session is None:  # ended while a call of it still runs
            return Peer(session_id)
        with self._lock:
            peer = session.peer
            if not isinstance(peer, Peer):
                peer = session.peer = Peer(session_id)
        return peer

    def _limit(
        self, context: SessionContext, deadline: float | None, longest: float, name: str
    ) -> float:
        """Seconds that a call to the host may take; `HostToolDeadlineError` when there are none."""
        remaining = longest
        now = time.monotonic()
        for end in (deadline, context.deadline):
            if end is not None:
                remaining = min(remaining, end - now)
        if remaining <= 0:
            raise self._late(name)
        return remaining

    def _error(
        self, error: RpcError, context: SessionContext, timeout: float, name: str, method: str
    ) -> HostToolError:
        """What a tool gets to see of a call that ended with a status."""
        if error.code is StatusCode.CANCELLED:
            context.raise_if_cancelled()
        if error.code is StatusCode.UNAVAILABLE:
            return HostUnavailableError(
                f"the host at {self.address} cannot be reached: {error.details}", tool_name=name
            )
        if error.code is StatusCode.DEADLINE_EXCEEDED:
            if method == "ExecuteElixirTool" or timeout < self._session_timeout:
                return self._late(name)
            return HostUnavailableError(
                f"the host at {self.address} did not answer {method} within "
                f"{self._session_timeout:g} s",
                tool_name=name,
            )
        return HostToolFailedError(name or method, str(error))

    def _late(self, name: str) -> HostToolDeadlineError:
        what = f"host tool {name!r}" if name else "the host"
        return HostToolDeadlineError(
            f"{what} has not answered in time (host at {self.address})", tool_name=name
        )
