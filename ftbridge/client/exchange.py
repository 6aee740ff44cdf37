"""Requests out of arguments, values out of answers: what `Client` and `AsyncClient` share.

Never waits and never sends: the two differ in nothing else.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from ftbridge.rpc import Metadata, RpcError, StatusCode, parse_address
from ftbridge.rpc.channel import ConnectError
from ftbridge.wire import DecodeError, messages
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy
from ftbridge.wire.values import from_result, split_arguments

from .errors import (
    ClientError,
    DeadlineExceededError,
    ForeignServerError,
    ToolError,
    error_of_message,
    error_of_status,
)
from .tools import Chunk, RemoteTool, read_chunk, remote_tool

_SERVICE: Final = "/snakepit.bridge.BridgeService/"
PING: Final = _SERVICE + "Ping"
INITIALIZE: Final = _SERVICE + "InitializeSession"
CLEANUP: Final = _SERVICE + "CleanupSession"
EXECUTE: Final = _SERVICE + "ExecuteTool"
STREAM: Final = _SERVICE + "ExecuteStreamingTool"

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
CONNECT_TIMEOUT: Final = 10.0
"""Seconds for the answers that any server gives at once: a port that swallows connections is
noticed by it."""
FAREWELL_TIMEOUT: Final = 2.0
"""Seconds for ending a session: a courtesy, servers expire them anyway."""

# Where the Elixir host, too, puts it: a header and a key of the request's own metadata.
CORRELATION_HEADER: Final = "x-snakepit-correlation-id"
CORRELATION_KEY: Final = "correlation_id"
_SESSION_BYTES: Final = 8  # 64 random bits: no two of a server's sessions collide by chance

type Arguments = Mapping[str, Any]


class Unset:
    """The type of `UNSET`."""


UNSET: Final = Unset()
"""A timeout that was not given, for which the client's own stands; None waits for ever."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that can be made, any number of times."""

    tool: str
    request: bytes
    headers: Metadata
    deadline: float | None
    idempotent: bool | None

    def remaining(self) -> float | None:
        """Seconds left for another attempt. Raises `DeadlineExceededError` when there are none."""
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceededError("deadline exceeded before sending")
        return left

    def capped(self, seconds: float) -> float:
        """As many seconds, or what is left. Raises `DeadlineExceededError` when nothing is."""
        left = self.remaining()
        return seconds if left is None else min(seconds, left)


class Exchange:
    """One server, as far as messages go. Safe to use from any thread: nothing in it changes."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float | None,
        metadata: Mapping[str, str] | None,
        policy: WirePolicy = DEFAULT_POLICY,
    ) -> None:
        parse_address(address)
        if timeout is not None and timeout <= 0:
            raise ValueError(f"timeout={timeout} is not above 0 seconds")
        self.address = address
        self._timeout = timeout
        self._metadata = dict(metadata or {})
        self._policy = policy

    def prepare(
        self,
        session_id: str,
        tool: str,
        arguments: Arguments,
        *,
        timeout: float | Unset | None,
        metadata: Mapping[str, str] | None,
        correlation_id: str | None,
        idempotent: bool | None = None,
        stream: bool = False,
    ) -> Prepared:
        """A call of a tool. Its deadline runs from here."""
        seconds = self._timeout if isinstance(timeout, Unset) else timeout
        deadline = None if seconds is None else time.monotonic() + seconds
        parameters, binary, formats = split_arguments(arguments, self._policy)
        about = {**self._metadata, **(metadata or {}), **formats}
        headers: Metadata = ()
        if correlation_id:
            about[CORRELATION_KEY] = correlation_id
            headers = ((CORRELATION_HEADER, correlation_id),)
        request = messages.ExecuteToolRequest(
            session_id=session_id,
            tool_name=tool,
            parameters=parameters,
            metadata=about,
            stream=stream,
            binary_parameters=binary,
        )
        return Prepared(tool, request.encode(), headers, deadline, idempotent)

    def result(self, answer: bytes) -> object:
        """What the tool returned. Raises `ToolError`."""
        response = self._decoded(messages.ExecuteToolResponse.decode, answer)
        if not response.success:
            raise error_of_message(response.error_message)
        try:
            return from_result(response.result, response.binary_result)
        except DecodeError as error:
            raise self._foreign(error) from None

    def chunk(self, answer: bytes) -> Chunk:
        """A piece of a stream."""
        return self._decoded(_chunk, answer)

    def tools(self, answer: bytes) -> Mapping[str, RemoteTool]:
        """What an InitializeSession offers. Raises `ToolError` when the server refused it."""
        response = self._decoded(messages.InitializeSessionResponse.decode, answer)
        if not response.success:
            reason = response.error_message or "the server refused the session"
            raise ToolError("SessionError", reason)
        return MappingProxyType(self._decoded(_tools, response))

    def failure(self, error: RpcError) -> ClientError:
        """The exception to raise for a status."""
        return error_of_status(error, self.address, reached=not isinstance(error, ConnectError))

    def silent(self, error: RpcError, timeout: float) -> ClientError:
        """The same for what any server answers at once: silence means that there is none."""
        if error.code is StatusCode.DEADLINE_EXCEEDED:
            error = ConnectError(StatusCode.UNAVAILABLE, f"silent for {timeout:g} s")
        elif error.code is StatusCode.UNAVAILABLE:
            error = ConnectError(error.code, error.details)
        return self.failure(error)

    def _decoded[S, T](self, decode: Callable[[S], T], data: S) -> T:
        try:
            return decode(data)
        except DecodeError as error:
            raise self._foreign(error) from None

    def _foreign(self, error: DecodeError) -> ForeignServerError:
        return ForeignServerError(
            f"the server at {self.address} answered something else than the bridge's "
            f"messages: {error}"
        )


def merged(arguments: Arguments | None, named: Arguments) -> Arguments:
    """The arguments of a call, given as a mapping, by name, or both.

    Raises:
        TypeError: one is given twice.
    """
    if not arguments:
        return named
    if twice := sorted(arguments.keys() & named.keys()):
        raise TypeError(f"given twice: {', '.join(map(repr, twice))}")
    return {**arguments, **named}


def new_session_id() -> str:
    """An id that no other session has."""
    return f"client-{secrets.token_hex(_SESSION_BYTES)}"


def _chunk(answer: bytes) -> Chunk:
    return read_chunk(messages.ToolChunk.decode(answer))


def _tools(response: messages.InitializeSessionResponse) -> dict[str, RemoteTool]:
    return {name: remote_tool(spec) for name, spec in response.available_tools.items()}
