from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from bridge.adapters_for_tests import GATES, WAIT_SECONDS, DemoAdapter

from ftbridge.adapters.host import AdapterHost
from ftbridge.bridge.server import BridgeServer
from ftbridge.guard import GilGuard, GilTrip, Phase
from ftbridge.rpc import Channel, RpcError, ServerOptions, StatusCode
from ftbridge.wire import messages as m
from ftbridge.wire.health import HealthCheckRequest, HealthCheckResponse, ServingStatus
from ftbridge.wire.reflection import ServerReflectionRequest, ServerReflectionResponse
from ftbridge.wire.values import decode_value, encode_value

BRIDGE = "/snakepit.bridge.BridgeService/"
HEALTH = "/grpc.health.v1.Health/"

TRANSPORTS = ["native"]
if sys._is_gil_enabled():
    TRANSPORTS.append("grpcio")


class Client:
    """Our channel, with messages."""

    def __init__(self, port: int) -> None:
        self.channel = Channel(f"127.0.0.1:{port}")

    def unary(self, name: str, request: Any, response: Any, **options: Any) -> Any:
        path = name if name.startswith("/") else BRIDGE + name
        options.setdefault("timeout", WAIT_SECONDS)
        return response.decode(self.channel.unary(path, request.encode(), **options))

    def execute(self, tool_name: str, **arguments: object) -> Any:
        response = self.unary("ExecuteTool", request(tool_name, arguments), m.ExecuteToolResponse)
        assert response.success, response.error_message
        return decode_value(response.result)

    def stream(self, tool_name: str, **arguments: object) -> Iterator[m.ToolChunk]:
        path = BRIDGE + "ExecuteStreamingTool"
        raw = self.channel.unary_stream(
            path, request(tool_name, arguments).encode(), timeout=WAIT_SECONDS
        )
        return (m.ToolChunk.decode(data) for data in raw)

    def health(self) -> int:
        response = self.unary(HEALTH + "Check", HealthCheckRequest(), HealthCheckResponse)
        return int(response.status)


def request(tool_name: str, arguments: dict[str, object]) -> m.ExecuteToolRequest:
    parameters = {key: encode_value(value) for key, value in arguments.items()}
    return m.ExecuteToolRequest(session_id="s", tool_name=tool_name, parameters=parameters)


@pytest.fixture(params=TRANSPORTS)
def server(request) -> Iterator[BridgeServer]:
    GATES.reset()
    made = BridgeServer(
        AdapterHost(DemoAdapter),
        options=ServerOptions(threads=2, queue_limit=4),
        transport=request.param,
    )
    made.start()
    yield made
    GATES.release.set()
    made.stop(0)


@pytest.fixture
def client(server) -> Iterator[Client]:
    made = Client(server.port)
    yield made
    made.channel.close()


def test_every_kind_of_call_through_a_socket(client):
    assert client.unary("Ping", m.PingRequest(message="x"), m.PingResponse).message == "pong: x"
    started = m.InitializeSessionRequest(session_id="s")
    answer = client.unary("InitializeSession", started, m.InitializeSessionResponse)
    assert "add" in answer.available_tools
    beat = client.unary("Heartbeat", m.HeartbeatRequest(session_id="s"), m.HeartbeatResponse)
    assert beat.session_valid
    assert client.execute("add", a=2, b=3) == 5
    assert [chunk.chunk_id for chunk in client.stream("count", n=3)] == [
        "count-1",
        "count-2",
        "count-3",
    ]
    with pytest.raises(RpcError) as caught:
        client.unary("GetSession", m.GetSessionRequest(session_id="x"), m.GetSessionResponse)
    assert caught.value.code is StatusCode.NOT_FOUND


def test_metadata_of_the_call_reaches_the_tool(client):
    response = client.unary(
        "ExecuteTool",
        request("whoami", {}),
        m.ExecuteToolResponse,
        metadata=(("x-snakepit-correlation-id", "sp-9"),),
    )
    assert decode_value(response.result)["correlation"] == "sp-9"


def test_a_streams_structured_error_arrives_whole(client):
    with pytest.raises(RpcError) as caught:
        list(client.stream("break_after", n=1, message="x" * 50_000))
    assert caught.value.code is StatusCode.INTERNAL
    assert json.loads(caught.value.details)["type"] == "ValueError"


def test_what_would_end_the_process_does_not(client):
    response = client.unary("ExecuteTool", request("fail", {"kind": "exit"}), m.ExecuteToolResponse)
    assert json.loads(response.error_message)["type"] == "SystemExit"
    assert client.execute("add", a=1) == 1


def test_liveness_is_answered_while_every_handler_is_busy(client):
    started = m.InitializeSessionRequest(session_id="s")
    client.unary("InitializeSession", started, m.InitializeSessionResponse)
    results: list[object] = []
    blocked = [
        threading.Thread(target=lambda: results.append(client.execute("block"))) for _ in range(2)
    ]
    for thread in blocked:
        thread.start()
    for _ in blocked:
        assert GATES.entered.acquire(timeout=WAIT_SECONDS)
    assert client.unary("Ping", m.PingRequest(message="p"), m.PingResponse).message == "pong: p"
    beat = client.unary("Heartbeat", m.HeartbeatRequest(session_id="s"), m.HeartbeatResponse)
    assert beat.session_valid
    assert client.health() == ServingStatus.SERVING
    GATES.release.set()
    for thread in blocked:
        thread.join(WAIT_SECONDS)
    assert results == ["released", "released"]


def test_tools_run_on_different_threads_at_once(client):
    results: list[object] = []
    both = [
        threading.Thread(target=lambda: results.append(client.execute("block"))) for _ in range(2)
    ]
    for thread in both:
        thread.start()
    # Both are inside the tool before either may leave it.
    assert GATES.entered.acquire(timeout=WAIT_SECONDS)
    assert GATES.entered.acquire(timeout=WAIT_SECONDS)
    GATES.release.set()
    for thread in both:
        thread.join(WAIT_SECONDS)
    assert len(results) == 2


def test_a_reader_that_goes_closes_the_tools_generator(client):
    stream = client.channel.unary_stream(
        BRIDGE + "ExecuteStreamingTool", request("endless", {}).encode(), timeout=WAIT_SECONDS
    )
    next(stream)
    client.channel.close()
    assert GATES.closed.acquire(timeout=WAIT_SECONDS)


def test_a_deadline_reaches_the_tool_and_is_answered(client):
    with pytest.raises(RpcError) as caught:
        client.unary(
            "ExecuteTool", request("until_cancelled", {}), m.ExecuteToolResponse, timeout=1.0
        )
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
    assert GATES.closed.acquire(timeout=WAIT_SECONDS)


def test_telemetry_through_a_socket(server, client):
    done = threading.Event()

    def controls() -> Iterator[bytes]:
        yield m.TelemetryControl(toggle=m.TelemetryToggle(enabled=True)).encode()
        done.wait(WAIT_SECONDS)

    raw = client.channel.stream_stream(BRIDGE + "StreamTelemetry", controls())
    while not server.service.telemetry.active:
        time.sleep(0.005)  # the stream opens on its own; nothing announces it to the caller
    client.execute("add", a=1)
    parts = [m.TelemetryEvent.decode(next(raw)).event_parts[-1] for _ in range(2)]
    assert parts == ["start", "stop"]
    done.set()


def test_health_watch_sees_the_server_stop(server, client):
    assert client.health() == ServingStatus.SERVING
    raw = client.channel.unary_stream(HEALTH + "Watch", HealthCheckRequest().encode())
    assert HealthCheckResponse.decode(next(raw)).status == ServingStatus.SERVING
    stopper = threading.Thread(target=server.stop, args=(WAIT_SECONDS,))
    stopper.start()
    assert HealthCheckResponse.decode(next(raw)).status == ServingStatus.NOT_SERVING
    rest, code = [], StatusCode.OK
    try:
        rest.extend(raw)
    except RpcError as ended:  # the transport's own end of long-lived calls may come first
        code = ended.code
    assert rest == []
    assert code in (StatusCode.OK, StatusCode.UNAVAILABLE)
    stopper.join(WAIT_SECONDS)
    assert server.wait(0)


def test_stopping_lets_running_calls_finish_and_closes_the_adapter_last(server, client):
    results: list[object] = []
    running = threading.Thread(target=lambda: results.append(client.execute("block")))
    running.start()
    assert GATES.entered.acquire(timeout=WAIT_SECONDS)
    stopper = threading.Thread(target=server.stop, args=(WAIT_SECONDS,))
    stopper.start()
    assert not server.wait(0.05)
    GATES.release.set()
    running.join(WAIT_SECONDS)
    stopper.join(WAIT_SECONDS)
    assert results == ["released"]
    server.stop(0)  # again: nothing left to do


def test_reflection_describes_everything_that_is_served(client):
    asked = [
        ServerReflectionRequest(list_services=""),
        ServerReflectionRequest(file_containing_symbol="snakepit.bridge.BridgeService"),
    ]
    for version in ("v1", "v1alpha"):
        path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        raw = client.channel.stream_stream(path, iter([a.encode() for a in asked]))
        listed, described = [ServerReflectionResponse.decode(data) for data in raw]
        names = {service.name for service in listed.list_services_response.service}
        assert {"snakepit.bridge.BridgeService", "grpc.health.v1.Health"} <= names
        assert len(described.file_descriptor_response.file_descriptor_proto) == 3


def test_a_gil_that_comes_on_while_serving_turns_health_off():
    told: list[GilTrip] = []
    guard = GilGuard(on_trip=told.append)
    server = BridgeServer(AdapterHost(DemoAdapter), guard=guard)
    client = Client(server.start())
    try:
        assert server.check()
        assert client.health() == ServingStatus.SERVING
        trip = GilTrip(phase=Phase.SERVING)
        assert guard.on_trip is not None
        guard.on_trip(trip)
        assert client.health() == ServingStatus.NOT_SERVING
        assert told == [trip]
        assert client.execute("add", a=1) == 1  # it still answers
    finally:
        client.channel.close()
        server.stop(0)


def test_a_port_that_is_taken_leaves_nothing_open():
    first = BridgeServer(AdapterHost(DemoAdapter))
    port = first.start()
    host = AdapterHost(DemoAdapter)
    second = BridgeServer(host, listen=f"127.0.0.1:{port}")
    try:
        with pytest.raises(OSError, match=str(port)):
            second.start()
        with pytest.raises(RuntimeError, match="no port"):
            _ = second.port
        host.open()  # closed, so that it can be opened again
        host.close()
    finally:
        first.stop(0)


def test_stopping_what_never_started():
    server = BridgeServer(AdapterHost(DemoAdapter))
    server.stop(0)
    assert server.wait(0)


def test_describe_says_what_runs():
    server = BridgeServer(AdapterHost(DemoAdapter))
    assert server.describe()["transport"] == "native"
    assert server.describe()["tools"] == len(server.host.tools)
    port = server.start()
    assert server.describe()["port"] == port
    server.stop(0)
