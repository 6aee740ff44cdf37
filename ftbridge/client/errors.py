"""What a client raises: a `ClientError`, whose class says what can be done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ftbridge.rpc import RpcError, StatusCode

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


class ClientError(Exception):
    """Base of all that a client raises about a call."""


class ToolError(ClientError):
    """The tool ran, or was refused, and raised; nothing is wrong with server or connection.

    Attributes:
        type: name of the exception's class in the server, such as "ValueError".
        message: its text.
        stacktrace: lines of its traceback there, innermost last; possibly empty.
        context: what the server says about where it happened, such as "tool_name".
    """

    def __init__(
        self,
        type: str,
        message: str,
        stacktrace: tuple[str, ...] = (),
        context: Mapping[str, object] = _NOTHING,
    ) -> None:
        super().__init__(f"{type}: {message}" if message else type)
        self.type = type
        self.message = message
        self.stacktrace = stacktrace
        self.context = context


class CallError(ClientError):
    """The call ended with a gRPC status instead of an answer.

    Attributes:
        code: the status.
        details: what came with it.
    """

    def __init__(self, code: StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}" if details else code.name)
        self.code = code
        self.details = details


class UnavailableError(CallError):
    """The server cannot be reached, was lost during the call, or is stopping: try again later.

    Attributes:
        address: of the server.
        reached: False when no server answered there at all: nothing of the call was done.
    """

    def __init__(self, details: str, *, address: str, reached: bool) -> None:
        super().__init__(StatusCode.UNAVAILABLE, details)
        self.address = address
        self.reached = reached


class DeadlineExceededError(CallError, TimeoutError):
    """The timeout passed. The tool has been told; it may have done its work all the same."""

    def __init__(self, details: str) -> None:
        super().__init__(StatusCode.DEADLINE_EXCEEDED, details)


class CallCancelledError(CallError):
    """The call was given up: by the server, or by whoever closed its stream or the client."""

    def __init__(self, details: str) -> None:
        super().__init__(StatusCode.CANCELLED, details)


class ForeignServerError(ClientError):
    """Something answers at the address, and it is not a bridge."""


def error_of_status(error: RpcError, address: str, *, reached: bool) -> ClientError:
    """The exception for a call that ended with a status. A tool's own failure is in the details."""
    code, details = error.code, error.details
    if code is StatusCode.UNAVAILABLE:
        return UnavailableError(details or "connection lost", address=address, reached=reached)
    if code is StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceededError(details)
    if code is StatusCode.CANCELLED:
        return CallCancelledError(details)
    if code is StatusCode.UNIMPLEMENTED:
        return ForeignServerError(
            f"the server at {address} does not serve snakepit.bridge.BridgeService: {details}"
        )
    return _structured(details) or CallError(code, details)


def error_of_message(text: str) -> ToolError:
    """The exception for a response that is not a success; plain text where that is all there is."""
    return _structured(text) or ToolError("ToolError", text)


def _structured(text: str) -> ToolError | None:
    """From the JSON object that a bridge describes a failure with; None for anything else."""
    try:
        payload = json.loads(text)
    except ValueError:
        return None
    if not isinstance(payload, dict) or "message" not in payload:
        return None
    stacktrace = payload.get("stacktrace")
    lines = tuple(map(str, stacktrace)) if isinstance(stacktrace, list) else ()
    context = payload.get("context")
    return ToolError(
        str(payload.get("type") or "ToolError"),
        str(payload["message"]),
        lines,
        MappingProxyType(context) if isinstance(context, dict) else _NOTHING,
    )
