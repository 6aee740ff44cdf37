"""A bridge behind the client's `Channel`, without sockets: the tests say what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ftbridge.rpc import Metadata, RpcError
from ftbridge.wire import messages
from ftbridge.wire.values import decode_value, encode_value

type Tool = Callable[[dict[str, Any]], Any]


class FakeBridge:
    """Answers the RPCs that the client uses; remembers what it was asked."""

    def __init__(self) -> None:
        self.tools: dict[str, messages.ToolSpec] = {}
        self.unary_tools: dict[str, Tool] = {}
        self.chunks: dict[str, Callable[[], Iterator[Any]]] = {}
        self.failure: BaseException | None = None  # raised by every RPC
        self.tool_failure = ""  # error_message of every call
        self.calls: list[tuple[str, dict[str, Any], float | None]] = []
        self.paths: list[str] = []
        self.closed = False
        self.cancelled_streams = 0

    def add(self, spec: messages.ToolSpec, tool: Tool | None = None) -> None:
        self.tools[spec.name] = spec
        if tool is not None:
            self.unary_tools[spec.name] = tool

    # --- the Channel's side ---------------------------------------------------------------------

    def __call__(self, target: str, **_options: Any) -> FakeBridge:
        self.target = target
        return self

    def close(self) -> None:
        self.closed = True

    def unary(
        self, path: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> bytes:
        name = path.rpartition("/")[2]
        self.paths.append(name)
        if self.failure is not None:
            raise self.failure
        return bytes(getattr(self, f"_{name}")(request, timeout))

    def unary_stream(
        self, path: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> FakeStream:
        self.paths.append(path.rpartition("/")[2])
        asked = self._remember(request, timeout)
        return FakeStream(self, self.chunks[asked.tool_name]())

    def _Ping(self, request: bytes, timeout: float | None) -> bytes:
        return messages.PingResponse(message="pong").encode()

    def _InitializeSession(self, request: bytes, timeout: float | None) -> bytes:
        asked = messages.InitializeSessionRequest.decode(request)
        assert asked.session_id
        response = messages.InitializeSessionResponse(success=True, available_tools=self.tools)
        return response.encode()

    def _CleanupSession(self, request: bytes, timeout: float | None) -> bytes:
        return messages.CleanupSessionResponse(success=True).encode()

    def _ExecuteTool(self, request: bytes, timeout: float | None) -> bytes:
        asked = self._remember(request, timeout)
        if self.tool_failure:
            response = messages.ExecuteToolResponse(error_message=self.tool_failure)
        else:
            result = self.unary_tools[asked.tool_name](self.calls[-1][1])
            response = messages.ExecuteToolResponse(success=True, result=encode_value(result))
        return response.encode()

    def _remember(self, request: bytes, timeout: float | None) -> messages.ExecuteToolRequest:
        asked = messages.ExecuteToolRequest.decode(request)
        values = {name: decode_value(value) for name, value in asked.parameters.items()}
        self.calls.append((asked.tool_name, values, timeout))
        return asked


class FakeStream:
    """An open streaming call: an iterator of encoded chunks that can be closed."""

    def __init__(self, bridge: FakeBridge, values: Iterator[Any]) -> None:
        self._bridge = bridge
        self._values = values
        self._done = False

    def __iter__(self) -> FakeStream:
        return self

    def __next__(self) -> bytes:
        try:
            value = next(self._values)
        except (StopIteration, RpcError):
            self._done = True
            raise
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return messages.ToolChunk(chunk_id="c", data=data).encode()

    def close(self) -> None:
        if not self._done:
            self._bridge.cancelled_streams += 1


def spec(name: str, *parameters: messages.ParameterSpec, **fields: Any) -> messages.ToolSpec:
    return messages.ToolSpec(name=name, parameters=list(parameters), **fields)
