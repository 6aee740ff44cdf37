"""What can go wrong between a caller and an adapter, one class for each thing a caller can act on.

The bridge maps these to gRPC statuses and structured payloads, so this module must never import
the wire, the transport or anything that does.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class AdapterError(Exception):
    """Base of every error that the adapter layer itself raises."""


class AdapterLoadError(AdapterError):
    """The adapter named on the command line cannot be imported or is not an adapter.

    `spec` is the name as the operator wrote it.
    """

    def __init__(self, spec: str, message: str) -> None:
        super().__init__(message)
        self.spec = spec


class InvalidToolError(AdapterError):
    """A declaration in the adapter's source cannot be served; the author has to mend it."""


class ThreadSafetyError(AdapterError, ValueError):
    """The adapter has not declared itself safe for the number of threads that would run it."""


class HostClosedError(AdapterError):
    """A call reached an `AdapterHost` before `open()` or after `close()`."""


class ToolNotFoundError(AdapterError, LookupError):
    """No tool of that name is served. Private and undecorated methods count as not there."""

    def __init__(self, tool_name: str, message: str) -> None:
        super().__init__(message)
        self.tool_name = tool_name


@dataclass(frozen=True, slots=True, kw_only=True)
class MistypedArgument:
    """One argument whose value does not fit its parameter's annotation."""

    name: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.name!r} must be {self.expected}, got {self.got}"


class ToolArgumentError(AdapterError, TypeError):
    """The arguments do not fit the tool's signature; every problem is named at once.

    `missing` and `unknown` are parameter names, `mistyped` says for each what was expected.
    """

    def __init__(
        self,
        tool_name: str,
        *,
        accepted: Sequence[str],
        missing: Sequence[str] = (),
        unknown: Sequence[str] = (),
        mistyped: Sequence[MistypedArgument] = (),
    ) -> None:
        self.tool_name = tool_name
        self.missing = tuple(missing)
        self.unknown = tuple(unknown)
        self.mistyped = tuple(mistyped)
        problems = []
        if missing:
            problems.append("missing " + ", ".join(map(repr, missing)))
        if unknown:
            problems.append("unknown " + ", ".join(map(repr, unknown)))
        problems.extend(map(str, mistyped))
        takes = ", ".join(accepted) if accepted else "no parameters"
        super().__init__(f"Tool {tool_name!r}: {'; '.join(problems)}. It takes: {takes}")


class MissingVariablesError(AdapterError):
    """The tool declares `required_variables` and some are set nowhere."""

    def __init__(self, tool_name: str, names: Sequence[str]) -> None:
        self.tool_name = tool_name
        self.names = tuple(names)
        super().__init__(
            f"Tool {tool_name!r} requires {', '.join(map(repr, names))}, set neither in the "
            "request's metadata, nor in the session's, nor in the server's environment"
        )


class StreamingToolError(AdapterError):
    """A tool that produces a stream was called as if it returned one value."""

    def __init__(self, tool_name: str) -> None:
        self.tool_name = tool_name
        super().__init__(
            f"Tool {tool_name!r} produces a stream: call it with ExecuteStreamingTool "
            "(on the command line: --stream)"
        )


class ToolCancelledError(AdapterError):
    """The caller has gone or has cancelled, and the tool stopped because of it."""


class ToolDeadlineError(ToolCancelledError):
    """The call's deadline has passed, before the tool started or while it ran."""


class ToolExitError(AdapterError):
    """The tool tried to end the process (`SystemExit`, `KeyboardInterrupt`); only its call ends."""

    def __init__(self, tool_name: str, cause: BaseException) -> None:
        self.tool_name = tool_name
        super().__init__(
            f"Tool {tool_name!r} raised {cause!r}, which would end the server; only this call "
            "was ended"
        )


class LockTimeoutError(AdapterError, TimeoutError):
    """`acquire_lock(timeout=...)` ran out of time."""
