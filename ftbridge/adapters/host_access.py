"""What a tool can ask of its host, and everything that can go wrong with it.

A host offers tools of its own: Elixir functions under Snakepit, Python functions when ftbridge
stands alone. Tools reach them through their session context and cannot tell the two apart, so the
errors are the same for both. Must never import the bridge: it implements this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from ftbridge.adapters.errors import AdapterError

if TYPE_CHECKING:
    from ftbridge.adapters.context import SessionContext

type HostToolDescription = Mapping[str, Any]
"""``{"name", "description", "parameters": {name: {"type", "required", ...}}}`` of one host tool."""


class HostToolError(AdapterError, RuntimeError):
    """A host tool was not called, or its call failed; `tool_name` is the one, or empty.

    A RuntimeError, since that is what callers of the stock worker know to catch.
    """

    def __init__(self, message: str, *, tool_name: str = "") -> None:
        super().__init__(message)
        self.tool_name = tool_name


class HostToolNotFoundError(HostToolError, ValueError):
    """The host has no tool of that name for this session. (The stock worker's is a ValueError.)"""

    def __init__(self, name: str, known: Iterable[str] | None = None, *, reason: str = "") -> None:
        offered = ""
        if known is not None:
            offered = f"; exposed: {', '.join(sorted(known)) or 'none'}"
        text = f" ({reason})" if reason else ""
        super().__init__(f"no host tool is named {name!r}{offered}{text}", tool_name=name)


class HostToolArgumentError(HostToolError, TypeError):
    """The arguments do not fit the host tool, or the call is not of a form there is."""


class HostToolFailedError(HostToolError):
    """The host refused the call, or its tool failed; `host_message` is what the host said."""

    def __init__(self, name: str, host_message: str) -> None:
        super().__init__(f"host tool {name!r} failed: {host_message}", tool_name=name)
        self.host_message = host_message


class HostToolDeadlineError(HostToolError, TimeoutError):
    """The host tool had not answered when the call's time, or the request's own, was up."""


class HostUnavailableError(HostToolError, ConnectionError):
    """The host cannot be reached, or does not answer what it answers at once when well."""


class HostAccess(Protocol):
    """The host, as a session context uses it. Safe to use from any thread."""

    def list_host_tools(self, context: SessionContext) -> Mapping[str, HostToolDescription]:
        """The tools that the host exposes to the context's session, by name.

        Raises `HostToolError`.
        """

    def call_host_tool(
        self,
        context: SessionContext,
        name: str,
        arguments: dict[str, object],
        deadline: float | None,
    ) -> object:
        """Call one of them. ``deadline``: seconds of `time.monotonic`, beside the context's own.

        Raises `HostToolError`; `ToolCancelledError` when the request ends meanwhile.
        """


class NoHost:
    """In the place of a host where there is none, as in a context that a test made."""

    def list_host_tools(self, context: SessionContext) -> Mapping[str, HostToolDescription]:
        """None."""
        return {}

    def call_host_tool(
        self,
        context: SessionContext,
        name: str,
        arguments: dict[str, object],
        deadline: float | None,
    ) -> object:
        """Raise `HostUnavailableError`."""
        raise HostUnavailableError(
            f"there is no host to call {name!r} on: this context belongs to no served request "
            "(give SessionContext a host=, such as EmbeddedHostLink(HostTools()))",
            tool_name=name,
        )


NO_HOST: Final = NoHost()
