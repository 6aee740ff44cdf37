"""What the commands need of a client: one session on one server, its tools, calls, streams.

Speaks the bridge's messages over `ftbridge.rpc.Channel`.  Imports no click: errors are exceptions
here and become text in the commands.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Self, cast

from ftbridge.rpc import Address, Channel, RpcError, StatusCode
from ftbridge.wire import DecodeError, messages
from ftbridge.wire.values import decode_value, encode_value

_SERVICE: Final = "/snakepit.bridge.BridgeService"
_SESSION_BYTES: Final = 6  # 48 random bits: no two of a server's sessions collide by chance

# Seconds for the first answer, so that a port that swallows connections is noticed.
CONNECT_TIMEOUT: Final = 10.0
# Seconds for taking the session down again: a courtesy, the server expires it anyway.
_GOODBYE_TIMEOUT: Final = 2.0


class UnreachableError(Exception):
    """No server answers at the address."""

    def __init__(self, address: Address, reason: str) -> None:
        # The transport names the address in its reason; once in a line is enough.
        reason = reason.removeprefix(f"cannot connect to {address}: ")
        super().__init__(f"no server answers at {address}: {reason[:1].lower()}{reason[1:]}")
        self.address = address


class ForeignServerError(Exception):
    """Something answers at the address, and it is not a bridge."""


class ToolError(Exception):
    """The tool, or the bridge on its behalf, failed.

    `type`: class of the exception in the server, or the gRPC status; `message`: its text;
    `stacktrace`: lines of its traceback, innermost last, possibly empty.
    """

    def __init__(self, type: str, message: str, stacktrace: tuple[str, ...] = ()) -> None:
        super().__init__(f"{type}: {message}" if message else type)
        self.type = type
        self.message = message
        self.stacktrace = stacktrace


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One piece of a stream; `data` is the decoded value, None in a bare final chunk."""

    data: Any
    is_final: bool
    empty: bool


class BridgeClient:
    """A session on the bridge at `address`; a context manager that ends it.

    For one thread.  Raises UnreachableError when nobody answers, ForeignServerError when the
    answer is not a bridge's, ToolError for everything that went wrong behind the socket.
    """

    def __init__(self, address: Address, *, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self.address = address
        self._connect_timeout = connect_timeout
        self._session_id = f"cli-{secrets.token_hex(_SESSION_BYTES)}"
        self._opened = False
        self._channel = Channel(str(address))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After Ctrl-C nobody waits for a farewell: closing the connection cancels what runs.
        self.close(farewell=kind is None or issubclass(kind, Exception))

    def close(self, *, farewell: bool = True) -> None:
        """End the session and the connection."""
        try:
            if self._opened and farewell:
                request = messages.CleanupSessionRequest(session_id=self._session_id)
                self._channel.unary(
                    f"{_SERVICE}/CleanupSession", request.encode(), timeout=_GOODBYE_TIMEOUT
                )
        except RpcError:
            pass
        finally:
            self._channel.close()

    def ping(self) -> float:
        """Seconds that a Ping took, there and back."""
        started = time.monotonic()
        self._unary("Ping", messages.PingRequest(message="ping").encode(), self._connect_timeout)
        return time.monotonic() - started

    def tools(self) -> Mapping[str, messages.ToolSpec]:
        """Open the session; every tool it can see, by name."""
        request = messages.InitializeSessionRequest(session_id=self._session_id)
        answer = self._unary("InitializeSession", request.encode(), self._connect_timeout)
        response = self._decode(messages.InitializeSessionResponse.decode, answer)
        if not response.success:
            raise ToolError("SessionError", response.error_message or "the server refused it")
        self._opened = True
        return response.available_tools

    def call(self, tool: str, arguments: Mapping[str, Any], *, timeout: float | None) -> Any:
        """Result of a call.  `timeout` in seconds, None: as long as it takes."""
        request = self._request(tool, arguments, stream=False)
        answer = self._unary("ExecuteTool", request, timeout)
        response = self._decode(messages.ExecuteToolResponse.decode, answer)
        if not response.success:
            raise _tool_error("ToolError", response.error_message)
        if response.binary_result and response.result is None:
            return response.binary_result
        return None if response.result is None else self._decode(decode_value, response.result)

    def stream(
        self, tool: str, arguments: Mapping[str, Any], *, timeout: float | None
    ) -> Iterator[Chunk]:
        """The chunks of a streaming call, as they arrive.  `timeout` in seconds, for all of it."""
        request = self._request(tool, arguments, stream=True)
        try:
            call = self._channel.unary_stream(
                f"{_SERVICE}/ExecuteStreamingTool", request, timeout=timeout
            )
            with closing(call):  # a caller that stops early cancels
                for data in call:
                    chunk = self._decode(messages.ToolChunk.decode, data)
                    yield Chunk(
                        data=_loads(chunk.data), is_final=chunk.is_final, empty=not chunk.data
                    )
        except RpcError as error:
            raise self._translate(error) from None

    def _request(self, tool: str, arguments: Mapping[str, Any], *, stream: bool) -> bytes:
        return messages.ExecuteToolRequest(
            session_id=self._session_id,
            tool_name=tool,
            parameters={name: encode_value(value) for name, value in arguments.items()},
            stream=stream,
        ).encode()

    def _unary(self, method: str, request: bytes, timeout: float | None) -> bytes:
        try:
            return self._channel.unary(f"{_SERVICE}/{method}", request, timeout=timeout)
        except RpcError as error:
            raise self._translate(error) from None

    def _translate(self, error: RpcError) -> Exception:
        if error.code is StatusCode.UNAVAILABLE:
            if self._opened:
                return ToolError("UNAVAILABLE", error.details or "the connection was lost")
            return UnreachableError(self.address, error.details or "connection refused")
        if not self._opened:
            if error.code is StatusCode.DEADLINE_EXCEEDED:
                return UnreachableError(self.address, f"silent for {self._connect_timeout:g} s")
            if error.code is StatusCode.UNIMPLEMENTED:
                return ForeignServerError(
                    f"the server at {self.address} does not serve {_SERVICE.strip('/')}"
                )
        return _tool_error(error.code.name, error.details)

    def _decode[S, T](self, decode: Callable[[S], T], data: S) -> T:
        try:
            return decode(data)
        except DecodeError as error:
            raise ForeignServerError(
                f"the server at {self.address} answered something else than the bridge's "
                f"messages: {error}"
            ) from None


def _tool_error(fallback: str, text: str) -> ToolError:
    """From the JSON object that a bridge describes a failure with, or from plain text."""
    try:
        payload = json.loads(text)
    except ValueError:
        payload = None
    if not isinstance(payload, dict) or "message" not in payload:
        return ToolError(fallback, text)
    stacktrace = payload.get("stacktrace")
    lines = tuple(map(str, stacktrace)) if isinstance(stacktrace, list) else ()
    return ToolError(str(payload.get("type") or fallback), str(payload["message"]), lines)


def _loads(data: bytes) -> Any:
    """A chunk's value: JSON, else the bytes themselves."""
    if not data:
        return None
    try:
        return cast("object", json.loads(data))
    except ValueError:
        return data
