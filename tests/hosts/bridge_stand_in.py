"""A stand-in for the Elixir host's BridgeServer, on the official grpcio server.

Strict where the real one is: sessions have to be there before their tools, parameters of an
Elixir tool have to be JSON, names are checked, a batch of registrations takes place as a whole or
not at all, a name can be registered once. Runs in a process of its own (`bridge_process.py`
starts it and talks to it), on an interpreter with grpcio; `Host` is also for other stand-ins to
build on.

Commands come in as JSON lines, answers go out as JSON lines; see `Host.command`.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import any_pb2, timestamp_pb2

from ftbridge.wire.proto import snakepit_bridge_pb2 as pb

SERVICE = "snakepit.bridge.BridgeService"
STRING_VALUE = "type.googleapis.com/google.protobuf.StringValue"
LONGEST_WAIT = 30.0  # of a held method; only ever used up when something is broken
MESSAGE_LIMIT = 100 << 20

MAX_NAME_BYTES = 64
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-.]*")
MAX_METADATA_ENTRIES = 32
MAX_METADATA_BYTES = 4096

METHODS = {  # name -> (request, response); StreamTelemetry has no clause in the BridgeServer
    "Ping": (pb.PingRequest, pb.PingResponse),
    "InitializeSession": (pb.InitializeSessionRequest, pb.InitializeSessionResponse),
    "CleanupSession": (pb.CleanupSessionRequest, pb.CleanupSessionResponse),
    "GetSession": (pb.GetSessionRequest, pb.GetSessionResponse),
    "Heartbeat": (pb.HeartbeatRequest, pb.HeartbeatResponse),
    "ExecuteTool": (pb.ExecuteToolRequest, pb.ExecuteToolResponse),
    "RegisterTools": (pb.RegisterToolsRequest, pb.RegisterToolsResponse),
    "GetExposedElixirTools": (
        pb.GetExposedElixirToolsRequest,
        pb.GetExposedElixirToolsResponse,
    ),
    "ExecuteElixirTool": (pb.ExecuteElixirToolRequest, pb.ExecuteElixirToolResponse),
}


class Odd:
    """An Elixir term that Jason cannot encode: the host answers with `inspect(term)`."""

    def __init__(self, inspected: str) -> None:
        self.inspected = inspected


class Elixir(Exception):  # noqa: N818 - the name of what the tool raises, as inspected
    """Raised by an Elixir tool; the host answers with the inspected exception."""


# What the exposed Elixir tools of the tests do, by name: parameters in, term out. A result of
# bytes goes as `binary_result`.
TOOLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "echo": lambda params: params,
    "nothing": lambda params: None,
    "binary": lambda params: bytes(range(256)),
    "odd": lambda params: Odd("#PID<0.1.0>"),
    "add": lambda params: params["a"] + params["b"],
    "validate": lambda params: {"valid": bool(params.get("data")), "errors": ["empty"]},
    "store": lambda params: {"id": "stored-1", "stored": params},
}


def _fail(params: dict[str, Any]) -> Any:
    raise Elixir(params.get("message", "boom"))


TOOLS["fail"] = _fail


class Host:
    """State and rules of the host's side. Every method may be called from any thread."""

    def __init__(self, *, quota: int = 10_000) -> None:
        self.quota = quota
        self.sessions: dict[str, dict[str, str]] = {}
        self.elixir_tools: dict[tuple[str, str], tuple[Callable[..., Any], dict[str, Any]]] = {}
        self.python_tools: dict[tuple[str, str], tuple[str, Any]] = {}
        self.workers: dict[str, str] = {}  # worker id -> address, as the pool's registry knows
        self.seen: list[dict[str, Any]] = []
        self._held: dict[str, threading.Event] = {}
        self._failing: dict[str, list[tuple[str, str]]] = {}
        self._refusing: dict[str, str] = {}
        self._arrived = Counter[str]()
        self._lock = threading.Condition()

    # --- for tests ------------------------------------------------------------------------------

    def command(self, order: Mapping[str, Any]) -> Any:
        """One order of a test, by its ``do``."""
        return getattr(self, f"do_{order['do']}")(**{k: v for k, v in order.items() if k != "do"})

    def do_calls(self, method: str | None = None) -> list[dict[str, Any]]:
        """What has come in, oldest first; of one method or of all."""
        with self._lock:
            return [call for call in self.seen if method in (None, call["method"])]

    def do_await_calls(self, method: str, count: int, timeout: float = LONGEST_WAIT) -> bool:
        """Wait until that many calls of the method have come in since the last `do_clear`."""
        with self._lock:
            return self._lock.wait_for(lambda: self._arrived[method] >= count, timeout)

    def do_clear(self) -> None:
        """Forget the calls seen so far."""
        with self._lock:
            self.seen.clear()
            self._arrived.clear()

    def do_hold(self, method: str) -> None:
        """Have calls of the method wait, as a hung host does, until `do_release`."""
        self._held[method] = threading.Event()

    def do_release(self, method: str) -> None:
        self._held.pop(method).set()

    def do_fail(self, method: str, code: str, details: str = "told to", times: int = 1) -> None:
        """Have the next calls of the method end with that status."""
        self._failing[method] = [(code, details)] * times

    def do_expose(self, session: str, name: str, behaviour: str, **spec: Any) -> None:
        """`ToolRegistry.register_elixir_tool(session, name, fun, %{exposed_to_python: true})`."""
        self.expose(session, name, TOOLS[behaviour], **spec)

    def do_worker(self, worker_id: str, address: str) -> None:
        """Have the pool's registry know a worker."""
        self.workers[worker_id] = address

    def do_forget(self, session: str) -> None:
        """The session's time to live has passed; its registered tools stay, as there."""
        with self._lock:
            self.sessions.pop(session, None)

    def do_quota(self, quota: int) -> None:
        self.quota = quota

    def do_state(self) -> dict[str, Any]:
        """Sessions with their metadata; registered tools with their worker's id."""
        with self._lock:
            return {
                "sessions": {name: dict(value) for name, value in self.sessions.items()},
                "tools": {f"{s}:{n}": worker for (s, n), (worker, _) in self.python_tools.items()},
            }

    def do_answer(self, method: str, message: str) -> None:
        """Have the next call of the method refused with that message."""
        self._refusing[method] = message

    def expose(
        self,
        session: str,
        name: str,
        function: Callable[..., Any],
        *,
        replace: bool = False,
        **spec: Any,
    ) -> None:
        with self._lock:
            if replace:
                self.elixir_tools.pop((session, name), None)
            if (session, name) in self.elixir_tools or (session, name) in self.python_tools:
                raise ValueError(f"{{:duplicate_tool, {name!r}}}")
            self.elixir_tools[session, name] = (function, {"exposed": True, **spec})

    # --- what every method goes through ---------------------------------------------------------

    def serve(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        remaining = context.time_remaining()
        with self._lock:
            self._arrived[method] += 1
            self.seen.append(
                {
                    "method": method,
                    "session_id": getattr(request, "session_id", ""),
                    "metadata": {
                        key: value
                        for key, value in context.invocation_metadata()
                        if isinstance(value, str)
                    },
                    "timeout": remaining,
                    "request": _described(request),
                }
            )
            held = self._held.get(method)
            failures = self._failing.get(method)
            failure = failures.pop() if failures else None
            self._lock.notify_all()
        if held is not None:
            held.wait(LONGEST_WAIT)
        if failure is not None:
            context.abort(grpc.StatusCode[failure[0]], failure[1])
        refusal = self._refusing.pop(method, None)
        if refusal is not None:
            return METHODS[method][1](success=False, error_message=refusal)
        return getattr(self, _snake(method))(request, context)

    # --- the service ----------------------------------------------------------------------------

    def ping(self, request: Any, context: Any) -> Any:
        return pb.PingResponse(message=f"pong: {request.message}", server_time=_now())

    def initialize_session(self, request: Any, context: Any) -> Any:
        with self._lock:
            # The quota is looked at before the name, as there.
            if len(self.sessions) >= self.quota:
                context.abort(grpc.StatusCode.INTERNAL, "session_quota_exceeded")
            self.sessions.setdefault(request.session_id, dict(request.metadata))
        return pb.InitializeSessionResponse(success=True)

    def cleanup_session(self, request: Any, context: Any) -> Any:
        with self._lock:
            self.sessions.pop(request.session_id, None)
        return pb.CleanupSessionResponse(success=True, resources_cleaned=1)

    def get_session(self, request: Any, context: Any) -> Any:
        with self._lock:
            metadata = self.sessions.get(request.session_id)
        if metadata is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Session not found: {request.session_id}")
        return pb.GetSessionResponse(
            session_id=request.session_id,
            metadata=metadata,
            created_at=timestamp_pb2.Timestamp(seconds=-576460751),  # BEAM's monotonic seconds
        )

    def heartbeat(self, request: Any, context: Any) -> Any:
        with self._lock:
            valid = request.session_id in self.sessions
        return pb.HeartbeatResponse(server_time=_now(), session_valid=valid)

    def register_tools(self, request: Any, context: Any) -> Any:
        session = request.session_id
        with self._lock:
            if session not in self.sessions:
                return pb.RegisterToolsResponse(success=False, error_message="not_found")
            batch: dict[str, Any] = {}
            for tool in request.tools:
                name = tool.name.strip()
                refusal = _refusal(name, {**tool.metadata, "supports_streaming": "false"})
                if refusal is None and (
                    name in batch
                    or (session, name) in self.python_tools
                    or (session, name) in self.elixir_tools
                ):
                    refusal = f'{{:duplicate_tool, "{name}"}}'
                if refusal is not None:
                    return pb.RegisterToolsResponse(success=False, error_message=refusal)
                batch[name] = tool
            for name, tool in batch.items():
                self.python_tools[session, name] = (request.worker_id, tool)
        return pb.RegisterToolsResponse(
            success=True, tool_ids={name: f"{session}:{name}" for name in batch}
        )

    def get_exposed_elixir_tools(self, request: Any, context: Any) -> Any:
        with self._lock:  # no look at the session, as there
            found = [
                _spec(name, spec)
                for (session, name), (_, spec) in self.elixir_tools.items()
                if session == request.session_id and spec["exposed"]
            ]
        return pb.GetExposedElixirToolsResponse(tools=found)

    def execute_elixir_tool(self, request: Any, context: Any) -> Any:
        started = time.monotonic()
        session, name = request.session_id, request.tool_name
        with self._lock:
            if session not in self.sessions:
                return _failed("not_found", started)
            found = self.elixir_tools.get((session, name))
            if found is None and (session, name) in self.python_tools:
                return _failed(f"Tool {name} is not an Elixir tool", started)
        if found is None:
            return _failed(f'{{:tool_not_found, "{session}", "{name}"}}', started)
        params = {}
        for key, value in request.parameters.items():
            try:
                params[key] = json.loads(value.value)
            except ValueError as error:
                return _failed(f"Invalid parameter {key}: {error}", started)
        try:
            result = found[0](params)
        except Elixir as raised:
            text = str(raised).replace('"', '\\"')
            return _failed(
                f'{{:tool_execution_failed, %RuntimeError{{message: "{text}"}}}}', started
            )
        return pb.ExecuteElixirToolResponse(
            success=True,
            result=None if isinstance(result, bytes) else _encoded(result),
            binary_result=result if isinstance(result, bytes) else b"",
            execution_time_ms=_ms(started),
        )

    def execute_tool(self, request: Any, context: Any) -> Any:
        """Forward to the worker that registered the tool, if the pool knows it."""
        started = time.monotonic()
        with self._lock:
            if request.session_id not in self.sessions:
                return pb.ExecuteToolResponse(error_message="not_found")
            found = self.python_tools.get((request.session_id, request.tool_name))
        if found is None:
            return pb.ExecuteToolResponse(error_message="{:tool_not_found}")
        address = self.workers.get(found[0])
        if address is None:
            return pb.ExecuteToolResponse(
                error_message=f"Remote tool execution failed: Worker not found: {found[0]}"
            )
        with grpc.insecure_channel(address) as channel:
            forward = channel.unary_unary(
                f"/{SERVICE}/ExecuteTool",
                request_serializer=pb.ExecuteToolRequest.SerializeToString,
                response_deserializer=pb.ExecuteToolResponse.FromString,
            )
            answer = forward(request, timeout=LONGEST_WAIT)
        answer.execution_time_ms = _ms(started)
        return answer

    def do_execute(self, session: str, tool: str, params: Mapping[str, Any]) -> Any:
        """A call from outside through `execute_tool`, as the host's own clients make it."""
        request = pb.ExecuteToolRequest(
            session_id=session,
            tool_name=tool,
            parameters={key: _encoded(value) for key, value in params.items()},
        )
        answer = self.execute_tool(request, None)
        if not answer.success:
            return {"error": answer.error_message}
        return {"result": json.loads(answer.result.value)}


class RunningHost:
    """A host's server, which can be stopped and started again on its port."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.port = 0
        self._server: grpc.Server | None = None

    def start(self) -> int:
        self._server = grpc.server(
            ThreadPoolExecutor(32),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ],
        )
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                _bound(self.host, name),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
            for name, (request, response) in METHODS.items()
        }
        generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
        self._server.add_generic_rpc_handlers((generic,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        if not self.port:
            raise OSError("the port cannot be bound")
        self._server.start()
        return self.port

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None


def _bound(host: Host, name: str) -> Callable[..., Any]:
    return lambda request, context: host.serve(name, request, context)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _described(request: Any) -> dict[str, Any]:
    """A request with what is inside each Any as base64, since the bytes are what is tested."""
    out: dict[str, Any] = {
        "tool_name": getattr(request, "tool_name", ""),
        "metadata": dict(getattr(request, "metadata", {})),
        "parameters": {
            key: {"type_url": value.type_url, "base64": base64.b64encode(value.value).decode()}
            for key, value in getattr(request, "parameters", {}).items()
        },
    }
    if isinstance(request, pb.RegisterToolsRequest):
        out["worker_id"] = request.worker_id
        out["tools"] = {
            tool.name: {
                "description": tool.description,
                "metadata": dict(tool.metadata),
                "supports_streaming": tool.supports_streaming,
                "parameters": [parameter.name for parameter in tool.parameters],
            }
            for tool in request.tools
        }
    return out


def _refusal(name: str, metadata: Mapping[str, str]) -> str | None:
    if not name:
        return "{:invalid_tool_name, :empty}"
    if len(name.encode()) > MAX_NAME_BYTES:
        return "{:invalid_tool_name, :too_long}"
    if not NAME.fullmatch(name):
        return "{:invalid_tool_name, :invalid_format}"
    if len(metadata) > MAX_METADATA_ENTRIES:
        return "{:invalid_metadata, :too_many_entries}"
    # External term format: a map's header, and tag and length of each binary.
    if 6 + sum(10 + len(k.encode()) + len(v.encode()) for k, v in metadata.items()) > (
        MAX_METADATA_BYTES
    ):
        return "{:invalid_metadata, :too_large}"
    return None


def _spec(name: str, spec: Mapping[str, Any]) -> Any:
    return pb.ToolSpec(
        name=name,
        description=spec.get("description", ""),
        parameters=[
            pb.ParameterSpec(
                name=parameter.get("name", ""),
                type=parameter.get("type", "any"),
                description=parameter.get("description", ""),
                required=parameter.get("required", False),
                default_value=_encoded(parameter["default"]) if "default" in parameter else None,
                validation_json="{}",
            )
            for parameter in spec.get("parameters", ())
        ],
        metadata={"exposed_to_python": "true"},
    )


def _encoded(value: Any) -> Any:
    text = value.inspected if isinstance(value, Odd) else json.dumps(value)
    return any_pb2.Any(type_url=STRING_VALUE, value=text.encode())


def _failed(message: str, started: float) -> Any:
    return pb.ExecuteElixirToolResponse(
        success=False, error_message=message, execution_time_ms=_ms(started)
    )


def _ms(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _now() -> Any:
    return timestamp_pb2.Timestamp(seconds=int(time.time()))


def main() -> None:
    """Serve until standard input ends."""
    running = RunningHost(Host())
    print(json.dumps({"port": running.start()}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["do"] in ("start", "stop"):
                answer: Any = getattr(running, order["do"])()
            else:
                answer = running.host.command(order)
            reply = {"ok": answer}
        except Exception as error:  # told to the test, which fails with it
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)
    for held in running.host._held.values():
        held.set()
    running.stop()


if __name__ == "__main__":
    main()
