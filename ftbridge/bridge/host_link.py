"""The bridge's line to its host: embedded in this process, or a server elsewhere.

Both kinds offer tools the same two things (`ftbridge.adapters.host_access.HostAccess`): the host's
tools, and calls of them. And the service tells both about its sessions, since a host elsewhere
has to know them before anything can be asked of it. Embedded is the default and needs nothing
else to run; `host_link_remote` speaks to an Elixir host.

Never imports the transport.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from ftbridge.adapters.errors import ToolCancelledError
from ftbridge.adapters.host_access import (
    HostAccess,
    HostToolDeadlineError,
    HostToolDescription,
    HostToolError,
    HostToolFailedError,
)

from .failures import describe
from .host_values import description_of
from .registry import ToolRegistry, tool_spec

if TYPE_CHECKING:
    from ftbridge.adapters.context import SessionContext
    from ftbridge.wire import messages

    from .host_tools import HostTools
    from .sessions import Session, SessionStore


class HostLink(HostAccess, Protocol):
    """What the service needs of its host, beside what tools need. Safe to use from any thread."""

    @property
    def remote(self) -> bool:
        """Whether the host is another process: its own service is then not served here."""

    def bind(self, sessions: SessionStore, registry: ToolRegistry, adapter_class: type) -> None:
        """Learn what is served; before the first call."""

    def close(self) -> None:
        """Give up what waits for the host; calls from now on raise `HostUnavailableError`."""

    def attach(self, session: Session) -> None:
        """A call of this session has come in. Must cost next to nothing but the first time."""

    def renew(self, session_id: str) -> None:
        """A sign of life of this session has come in. Must never wait: a reactor calls it."""

    def initialize(
        self, session: Session, request: messages.InitializeSessionRequest, timeout: float | None
    ) -> None:
        """The session was opened here, or opened once more.

        Raises `RpcError` when the host refuses it.
        """

    def cleanup(self, request: messages.CleanupSessionRequest) -> int | None:
        """The session was ended here; how much the host cleaned, or None when it has no say."""

    def find(
        self, request: messages.GetSessionRequest, timeout: float | None
    ) -> messages.GetSessionResponse | None:
        """A session that is not known here; None when the host does not know it either."""


class EmbeddedHostLink:
    """The host in this process: its tools are the Python functions in ``host_tools``.

    A call is a plain call on the tool's own thread, so that it needs no handler thread and cannot
    wait for one; arguments and results are the objects themselves, not copies. How long a function
    may take is up to the function, which finds the request in `ftbridge.current_session`; a call
    whose time is up before it begins is not made.
    """

    remote = False

    def __init__(self, host_tools: HostTools) -> None:
        self._host_tools = host_tools

    def list_host_tools(self, context: SessionContext) -> Mapping[str, HostToolDescription]:
        """What is registered now; all sessions see the same."""
        return {
            name: description_of(tool_spec(tool.info))
            for name, tool in self._host_tools.tools.items()
        }

    def call_host_tool(
        self,
        context: SessionContext,
        name: str,
        arguments: dict[str, object],
        deadline: float | None,
    ) -> object:
        """See `HostAccess`."""
        context.raise_if_cancelled()
        if deadline is not None and time.monotonic() >= deadline:
            raise HostToolDeadlineError(f"host tool {name!r}: its time is up", tool_name=name)
        try:
            return self._host_tools.call(name, arguments)
        except (HostToolError, ToolCancelledError):
            raise
        except BaseException as error:
            # SystemExit too: a host's tool may fail, it may not end the tool that called it.
            raise HostToolFailedError(name, describe(error)) from error

    def bind(self, sessions: SessionStore, registry: ToolRegistry, adapter_class: type) -> None:
        """Nothing to learn: the service's own session store is the host's."""

    def close(self) -> None:
        """Nothing to give up."""

    def attach(self, session: Session) -> None:
        """Nothing to do: a session that is known here is known to the host."""

    def renew(self, session_id: str) -> None:
        """Nothing to do, as for `attach`."""

    def initialize(
        self, session: Session, request: messages.InitializeSessionRequest, timeout: float | None
    ) -> None:
        """Nothing to do, as for `attach`."""

    def cleanup(self, request: messages.CleanupSessionRequest) -> int | None:
        """None: what was cleaned here is all there was."""
        return None

    def find(
        self, request: messages.GetSessionRequest, timeout: float | None
    ) -> messages.GetSessionResponse | None:
        """None: what is not known here is not known."""
        return None
