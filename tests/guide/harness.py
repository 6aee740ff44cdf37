"""Serves a code block of the adapter guide as it stands, behind the real server.

The files in `blocks` are the guide's own text. What surrounds one here is what the guide leaves to
its reader: imports, a model, the class around a method.
"""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftbridge import AdapterHost, load_adapter
from ftbridge.bridge.host_tools import HostTools
from ftbridge.bridge.server import BridgeServer
from ftbridge.rpc import Channel, ServerOptions
from ftbridge.wire import messages as m
from ftbridge.wire.values import decode_value, encode_value

BLOCKS = Path(__file__).with_name("blocks")
SESSION = "guide-session"
WAIT_SECONDS = 20.0  # only ever used up when something is broken

_BRIDGE = "/snakepit.bridge.BridgeService/"
_numbers = itertools.count()


def block(name: str, indent: int = 0) -> str:
    """A block of the guide, moved to the right where it belongs into a class or a method."""
    return textwrap.indent((BLOCKS / name).read_text(), " " * indent)


class Client:
    """Calls of one session, over a socket."""

    def __init__(self, server: BridgeServer) -> None:
        self._channel = Channel(f"127.0.0.1:{server.port}")

    def close(self) -> None:
        self._channel.close()

    def tools(self) -> dict[str, m.ToolSpec]:
        request = m.InitializeSessionRequest(session_id=SESSION)
        answer = self._channel.unary(_BRIDGE + "InitializeSession", request.encode())
        return dict(m.InitializeSessionResponse.decode(answer).available_tools)

    def response(
        self,
        tool: str,
        /,
        *,
        metadata: dict[str, str] | None = None,
        binary: dict[str, bytes] | None = None,
        **arguments: Any,
    ) -> m.ExecuteToolResponse:
        request = _request(tool, arguments, metadata, binary)
        answer = self._channel.unary(_BRIDGE + "ExecuteTool", request, timeout=WAIT_SECONDS)
        return m.ExecuteToolResponse.decode(answer)

    def call(self, tool: str, /, **arguments: Any) -> Any:
        response = self.response(tool, **arguments)
        assert response.success, response.error_message
        return None if response.result is None else decode_value(response.result)

    def stream(
        self, tool: str, /, *, metadata: dict[str, str] | None = None, **arguments: Any
    ) -> list[m.ToolChunk]:
        request = _request(tool, arguments, metadata)
        raw = self._channel.unary_stream(
            _BRIDGE + "ExecuteStreamingTool", request, timeout=WAIT_SECONDS
        )
        return [m.ToolChunk.decode(data) for data in raw]


def _request(
    tool: str,
    arguments: dict[str, Any],
    metadata: dict[str, str] | None,
    binary: dict[str, bytes] | None = None,
) -> bytes:
    parameters = {key: encode_value(value) for key, value in arguments.items()}
    return m.ExecuteToolRequest(
        session_id=SESSION,
        tool_name=tool,
        parameters=parameters,
        metadata=metadata or {},
        binary_parameters=binary or {},
    ).encode()


@contextmanager
def served(
    folder: Path,
    class_name: str,
    *parts: str,
    host_tools: tuple[Callable[..., object], ...] = (),
    **options: Any,
) -> Iterator[tuple[Client, AdapterHost]]:
    """Serve a class of the module that `parts` make up, loaded as `ftbridge serve` loads one."""
    module = f"guide_adapter_{next(_numbers)}"
    (folder / f"{module}.py").write_text("\n".join(parts))
    offered = HostTools()
    for function in host_tools:
        offered.register(function)
    sys.path.insert(0, str(folder))
    try:
        host = AdapterHost(load_adapter(f"{module}.{class_name}"), **options)
        server = BridgeServer(host, options=ServerOptions(threads=4), host_tools=offered)
        server.start()
        client = Client(server)
        try:
            yield client, host
        finally:
            client.close()
            server.stop(0)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)
