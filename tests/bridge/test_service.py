from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from bridge.adapters_for_tests import DemoAdapter
from bridge.fake_call import FakeCall

from ftbridge.adapters.host import AdapterHost
from ftbridge.bridge.host_tools import HostTools
from ftbridge.bridge.service import OBSERVE, SERVICE_NAME, BridgeService
from ftbridge.bridge.sessions import SessionStore
from ftbridge.rpc.method import MethodKind
from ftbridge.rpc.status import Metadata, RpcError, StatusCode
from ftbridge.telemetry import Event
from ftbridge.wire import messages as m
from ftbridge.wire.values import decode_value, encode_value


@pytest.fixture(scope="module")
def host() -> Iterator[AdapterHost]:
    made = AdapterHost(DemoAdapter)
    made.open()
    yield made
    made.close()


@pytest.fixture
def service(host) -> BridgeService:
    return BridgeService(host)


def invoke(service: BridgeService, name: str, request: Any, call: FakeCall | None = None) -> Any:
    """Through the method table and both halves of the codec, as a transport would."""
    [method] = [found for found in service.methods() if found.path == f"/{SERVICE_NAME}/{name}"]
    response = method.handler(method.decode(request.encode()), call or FakeCall())
    if name == "ExecuteTool":  # its handler gives its answer encoded
        return m.ExecuteToolResponse.decode(method.encode(response))
    method.encode(response)
    return response


def test_the_table_is_the_whole_service(service):
    from google.protobuf import descriptor_pb2

    from ftbridge.wire.descriptors import FILES

    methods = {method.path.rpartition("/")[2]: method for method in service.methods()}
    file = descriptor_pb2.FileDescriptorProto.FromString(FILES["snakepit_bridge.proto"])
    [declared] = file.service
    kinds = {
        (False, False): MethodKind.UNARY,
        (False, True): MethodKind.SERVER_STREAM,
        (True, True): MethodKind.BIDI,
    }
    assert {name: method.kind for name, method in methods.items()} == {
        rpc.name: kinds[rpc.client_streaming, rpc.server_streaming] for rpc in declared.method
    }
    for rpc in declared.method:
        method = methods[rpc.name]
        request = getattr(m, rpc.input_type.rpartition(".")[2])
        response = getattr(m, rpc.output_type.rpartition(".")[2])
        assert isinstance(method.decode(b""), request)
        answer = response().encode() if rpc.name == "ExecuteTool" else response()
        assert method.encode(answer) == b""


def test_what_each_method_asks_of_the_transport(service):
    methods = {method.path.rpartition("/")[2]: method for method in service.methods()}
    assert {name for name, method in methods.items() if method.inline} == {"Ping", "Heartbeat"}
    assert {name for name, method in methods.items() if method.long_lived} == {"StreamTelemetry"}
    assert [name for name, method in methods.items() if not method.enforce_deadline] == [
        "StreamTelemetry"
    ]


def test_ping(service):
    response = invoke(service, "Ping", m.PingRequest(message="connection_test"))
    assert response.message == "pong: connection_test"
    assert abs(response.server_time.seconds - time.time()) < 60
    assert 0 <= response.server_time.nanos < 1_000_000_000


def test_heartbeat_knows_sessions_and_renews_them(host):
    now = [0.0]
    service = BridgeService(host, SessionStore(ttl=60, clock=lambda: now[0]))

    def valid() -> bool:
        return invoke(service, "Heartbeat", m.HeartbeatRequest(session_id="s")).session_valid

    assert not valid()
    assert len(service.sessions) == 0  # asking creates nothing
    invoke(service, "InitializeSession", m.InitializeSessionRequest(session_id="s"))
    for _ in range(5):
        now[0] += 50
        assert valid()
    now[0] += 60
    assert not valid()


def test_initialize_session_is_idempotent_and_lists_the_tools(service):
    request = m.InitializeSessionRequest(
        session_id="s",
        metadata={"elixir_node": "n"},
        config=m.SessionConfig(enable_caching=True, cache_ttl_seconds=60),
    )
    for _ in range(2):
        response = invoke(service, "InitializeSession", request)
        assert response.success
        assert set(response.available_tools) >= {"add", "count", "fail"}
        assert response.available_tools["add"].description == "Add two integers"
        assert response.available_tools["count"].supports_streaming
        assert [p.name for p in response.available_tools["add"].parameters] == ["a", "b"]
    assert len(service.sessions) == 1


@pytest.mark.parametrize(
    ("session_id", "code"), [("", "INVALID_ARGUMENT"), ("x" * 300, "INVALID_ARGUMENT")]
)
def test_initialize_session_refuses_bad_names(service, session_id, code):
    with pytest.raises(RpcError) as caught:
        invoke(service, "InitializeSession", m.InitializeSessionRequest(session_id=session_id))
    assert caught.value.code is StatusCode[code]


def test_the_quota_is_answered_as_the_host_does(host):
    service = BridgeService(host, SessionStore(quota=1))
    invoke(service, "InitializeSession", m.InitializeSessionRequest(session_id="a"))
    with pytest.raises(RpcError, match="session_quota_exceeded") as caught:
        invoke(service, "InitializeSession", m.InitializeSessionRequest(session_id="b"))
    assert caught.value.code is StatusCode.INTERNAL


def test_get_session_and_cleanup(service):
    request = m.InitializeSessionRequest(session_id="s", metadata={"k": "v"})
    invoke(service, "InitializeSession", request)
    session = invoke(service, "GetSession", m.GetSessionRequest(session_id="s"))
    assert (session.session_id, session.metadata) == ("s", {"k": "v"})
    assert session.tool_count == len(service.registry.adapter_specs)
    assert abs(session.created_at.seconds - time.time()) < 60
    cleanup = m.CleanupSessionRequest(session_id="s")
    assert invoke(service, "CleanupSession", cleanup).resources_cleaned == 1
    again = invoke(service, "CleanupSession", cleanup)
    assert (again.success, again.resources_cleaned) == (True, 0)
    with pytest.raises(RpcError, match="Session not found: s") as caught:
        invoke(service, "GetSession", m.GetSessionRequest(session_id="s"))
    assert caught.value.code is StatusCode.NOT_FOUND


def test_execute_tool_through_the_table(service):
    request = m.ExecuteToolRequest(
        session_id="s", tool_name="add", parameters={"a": encode_value(2), "b": encode_value(3)}
    )
    response = invoke(service, "ExecuteTool", request)
    assert decode_value(response.result) == 5
    assert service.statistics().calls == 1


def register(service: BridgeService, *names: str, session_id: str = "s") -> Any:
    request = m.RegisterToolsRequest(
        session_id=session_id,
        worker_id="w",
        tools=[m.ToolRegistration(name=name) for name in names],
    )
    return invoke(service, "RegisterTools", request)


def test_register_tools(service):
    missing = register(service, "one")
    assert not missing.success
    assert "not_found" in missing.error_message
    invoke(service, "InitializeSession", m.InitializeSessionRequest(session_id="s"))
    assert register(service, "one", "two").tool_ids == {"one": "s:one", "two": "s:two"}
    for names, reason in ((["one"], "duplicate_tool"), (["bad name"], "invalid_tool_name")):
        refused = register(service, *names)
        assert not refused.success
        assert reason in refused.error_message
        assert refused.tool_ids == {}
    listed = invoke(service, "InitializeSession", m.InitializeSessionRequest(session_id="s"))
    assert {"one", "two", "add"} <= set(listed.available_tools)
    invoke(service, "CleanupSession", m.CleanupSessionRequest(session_id="s"))
    invoke(service, "InitializeSession", m.InitializeSessionRequest(session_id="s"))
    assert register(service, "one").success  # they went with their session


# --- host tools -----------------------------------------------------------------------------------


def check_schema(data: dict[str, object], strict: bool = False) -> dict[str, object]:
    """Say whether the data is valid."""
    if strict and not data:
        raise LookupError("nothing to check")
    return {"valid": bool(data)}


def execute_host_tool(service: BridgeService, name: str, **arguments: object) -> Any:
    parameters = {key: encode_value(value) for key, value in arguments.items()}
    request = m.ExecuteElixirToolRequest(session_id="s", tool_name=name, parameters=parameters)
    return invoke(service, "ExecuteElixirTool", request)


def test_host_tools_are_listed_and_called(host):
    tools = HostTools()
    service = BridgeService(host, host_tools=tools)
    request = m.GetExposedElixirToolsRequest(session_id="s")
    assert invoke(service, "GetExposedElixirTools", request).tools == []
    tools.register(check_schema)
    tools.register(lambda: b"\x00", name="raw")
    specs = invoke(service, "GetExposedElixirTools", request).tools
    assert [spec.name for spec in specs] == ["check_schema", "raw"]
    assert [(p.name, p.type) for p in specs[0].parameters] == [
        ("data", "map"),
        ("strict", "boolean"),
    ]
    response = execute_host_tool(service, "check_schema", data={"a": 1})
    assert response.success
    assert decode_value(response.result) == {"valid": True}
    assert execute_host_tool(service, "raw").binary_result == b"\x00"


def test_failures_of_host_tools_are_plain_text(host):
    tools = HostTools()
    service = BridgeService(host, host_tools=tools)
    tools.register(check_schema)
    tools.register(exit, name="leave")
    for response, text in (
        (execute_host_tool(service, "nothing"), "no host tool is named 'nothing'"),
        (execute_host_tool(service, "check_schema"), "host tool 'check_schema': missing 'data'"),
        (
            execute_host_tool(service, "check_schema", data={}, strict=True),
            "LookupError: nothing to check",
        ),
    ):
        assert not response.success
        assert response.result is None
        assert text in response.error_message
        with pytest.raises(ValueError, match=r"."):
            json.loads(response.error_message)
    left = BridgeService(host, host_tools=HostTools())
    left.host_tools.register(lambda: exit(3), name="leave")
    assert execute_host_tool(left, "leave").error_message == "SystemExit: 3"


def test_a_host_tools_unreadable_parameter(service):
    request = m.ExecuteElixirToolRequest(tool_name="t", parameters={"p": m.Any(value=b"{")})
    response = invoke(service, "ExecuteElixirTool", request)
    assert "parameter 'p' cannot be read" in response.error_message


# --- telemetry ------------------------------------------------------------------------------------


class Controls:
    """The caller's half of the stream: what the test puts; None ends it, an error breaks it."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __iter__(self) -> Controls:
        return self

    def __next__(self) -> m.TelemetryControl:
        item = self.queue.get()
        if item is None:
            raise StopIteration
        if isinstance(item, Exception):
            raise item
        assert isinstance(item, m.TelemetryControl)
        return item


class Stream:
    def __init__(self, service: BridgeService, metadata: Metadata = ()) -> None:
        self.controls = Controls()
        self.call = FakeCall(metadata=metadata)
        before = set(threading.enumerate())
        self.events = service.stream_telemetry(self.controls, self.call)
        [self.reader] = set(threading.enumerate()) - before

    def finish_controls(self, item: object = None) -> None:
        self.controls.queue.put(item)
        self.reader.join(10)
        assert not self.reader.is_alive()


def run_add(service: BridgeService) -> None:
    request = m.ExecuteToolRequest(tool_name="add", parameters={"a": encode_value(1)})
    assert invoke(service, "ExecuteTool", request).success


def test_telemetry_sends_its_headers_at_once_and_then_events(service):
    stream = Stream(service)
    assert stream.call.initial_metadata == [()]
    run_add(service)
    assert next(stream.events).event_parts == ["tool", "execution", "start"]
    assert next(stream.events).event_parts == ["tool", "execution", "stop"]
    stream.call.end()
    stream.finish_controls(RpcError(StatusCode.CANCELLED))
    assert list(stream.events) == []
    assert service.telemetry.host.open_streams == 0


def test_a_second_telemetry_stream_gets_what_the_first_one_left(service):
    first = Stream(service)
    run_add(service)
    assert next(first.events).event_parts[-1] == "start"
    first.call.end()  # with the start out for delivery, and the stop waiting
    run_add(service)
    second = Stream(service)
    assert [next(second.events).event_parts[-1] for _ in range(4)] == ["start", "stop"] * 2
    second.call.end()


def test_an_observer_takes_nothing_from_the_host(service):
    host = Stream(service)
    observer = Stream(service, metadata=(OBSERVE,))
    run_add(service)
    service.telemetry.hear(Event("cache.missed", {"tokens": 3}, {}))
    assert [next(observer.events).event_parts[-1] for _ in range(3)] == ["start", "stop", "missed"]
    assert [next(host.events).event_parts[-1] for _ in range(2)] == ["start", "stop"]
    assert service.telemetry.host.waiting == 0
    assert service.telemetry.withheld == 1
    host.call.end()
    observer.call.end()


def test_telemetry_obeys_controls_and_goes_on_when_the_caller_stops_sending_them(service):
    stream = Stream(service)
    deny = m.TelemetryEventFilter(deny=["*.start"])
    stream.controls.queue.put(m.TelemetryControl(filter=deny))
    stream.finish_controls(None)
    run_add(service)
    assert next(stream.events).event_parts == ["tool", "execution", "stop"]
    stream.call.end()


def test_a_waiting_telemetry_stream_ends_with_its_call(service):
    stream = Stream(service)
    ended = threading.Event()

    def read() -> None:
        for _ in stream.events:
            pass
        ended.set()

    threading.Thread(target=read).start()
    stream.call.end()
    assert ended.wait(10)
    stream.finish_controls(None)


def test_unreadable_controls_leave_the_events_running(service, caplog):
    stream = Stream(service)
    stream.finish_controls(ValueError("not a control"))
    assert "cannot be read" in caplog.text
    run_add(service)
    assert next(stream.events).event_parts[-1] == "start"
    stream.call.end()


def test_closing_the_service_ends_telemetry(service):
    stream = Stream(service)
    service.close()
    assert list(stream.events) == []
    stream.finish_controls(None)
