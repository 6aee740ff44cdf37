from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from bridge.adapters_for_tests import GATES, DemoAdapter
from bridge.fake_call import FakeCall

from ftbridge.adapters.host import AdapterHost
from ftbridge.bridge.execution import STATUS_BUDGET_BYTES, ToolExecutor, tool_name_of
from ftbridge.bridge.failures import encoded_length
from ftbridge.bridge.registry import ToolRegistry
from ftbridge.bridge.sessions import SessionStore
from ftbridge.bridge.telemetry import TelemetryHub
from ftbridge.rpc.status import RpcError, StatusCode, decode_message, encode_message
from ftbridge.telemetry import CORRELATION_HEADER
from ftbridge.wire.messages import Any as AnyMessage
from ftbridge.wire.messages import (
    ExecuteToolRequest,
    ExecuteToolResponse,
    ToolChunk,
    ToolRegistration,
)
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy
from ftbridge.wire.values import decode_value

STRING_VALUE = "type.googleapis.com/google.protobuf.StringValue"


class Fixture:
    def __init__(self, policy: WirePolicy = DEFAULT_POLICY, **store: Any) -> None:
        self.host = AdapterHost(DemoAdapter)
        self.host.open()
        self.sessions = SessionStore(**store)
        self.telemetry = TelemetryHub()
        self.executor = ToolExecutor(self.host, self.sessions, self.telemetry, policy)

    def call(
        self, name: str, arguments: dict[str, object] | None = None, **options: Any
    ) -> ExecuteToolResponse:
        call = options.pop("call", None) or FakeCall()
        request = build(name, arguments, **options)
        return ExecuteToolResponse.decode(self.executor.execute(request, call))

    def value(self, name: str, arguments: dict[str, object] | None = None, **options: Any) -> Any:
        response = self.call(name, arguments, **options)
        assert response.success, response.error_message
        assert response.error_message == ""
        return decode_value(response.result)

    def failure(self, name: str, arguments: dict[str, object] | None = None, **options: Any) -> Any:
        response = self.call(name, arguments, **options)
        assert not response.success
        assert response.result is None
        return json.loads(response.error_message)

    def stream(
        self, name: str, arguments: dict[str, object] | None = None, **options: Any
    ) -> Iterator[ToolChunk]:
        call = options.pop("call", None) or FakeCall()
        return self.executor.stream(build(name, arguments, **options), call)


def build(
    name: str, arguments: dict[str, object] | None = None, **options: Any
) -> ExecuteToolRequest:
    # As the Elixir host sends them: JSON under the type of a wrapped string.
    parameters = {
        key: AnyMessage(type_url=STRING_VALUE, value=json.dumps(value).encode())
        for key, value in (arguments or {}).items()
    }
    request = ExecuteToolRequest(
        **{"session_id": "s1", "tool_name": name, "parameters": parameters, **options}
    )
    return ExecuteToolRequest.decode(request.encode())


@pytest.fixture
def bridge() -> Iterator[Fixture]:
    GATES.reset()
    made = Fixture()
    yield made
    made.host.close()


# --- unary ----------------------------------------------------------------------------------------


def test_a_value_comes_back(bridge):
    assert bridge.value("add", {"a": 2, "b": 3}) == 5
    assert bridge.value("add", {"a": 2**53}) == 2**53
    assert bridge.value("echo", {"value": None}) is None
    assert bridge.value("echo", {"value": {"x": [1, "\u00e9"]}}) == {"x": [1, "\u00e9"]}


def test_execution_time_is_in_milliseconds(bridge):
    response = bridge.call("add", {"a": 1})
    assert 0 <= response.execution_time_ms < 5000
    assert response.metadata == {}


def test_binary_parameters_win_and_binary_results_are_binary(bridge):
    request = {"binary_parameters": {"data": b"\x00\xff"}}
    response = bridge.call("blob", {"data": "text"}, **request)
    assert response.success
    assert response.binary_result == b"\x00\xff\x00\xff"


def test_pickle_is_refused_and_other_marks_change_nothing(bridge):
    payload = bridge.failure(
        "blob",
        binary_parameters={"data": b"cos\nsystem\n."},
        metadata={"binary_format:data": "pickle"},
    )
    assert "--allow-pickle" in payload["message"]
    marks = {"binary_format:other": "pickle", "binary_format:data": "raw"}
    assert bridge.call("blob", binary_parameters={"data": b"x"}, metadata=marks).success


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (ExecuteToolRequest(tool_name="echo"), b"echo"),
        (ExecuteToolRequest(session_id="s", tool_name="echo", stream=True), b"echo"),
        (ExecuteToolRequest(session_id="s" * 127, tool_name="e" * 127), b"e" * 127),
        (ExecuteToolRequest(session_id="s" * 128, tool_name="echo"), b""),
        (ExecuteToolRequest(tool_name="e" * 128), b""),
        (ExecuteToolRequest(session_id="s"), b""),
        (ExecuteToolRequest(), b""),
    ],
)
def test_the_tools_name_is_read_before_the_request_is(request_, name):
    message = request_.encode()
    assert tool_name_of(message) == name
    for cut in range(len(message)):
        assert name.startswith(tool_name_of(message[:cut]))  # nothing is read that is not there


@pytest.mark.parametrize(
    ("options", "known"),
    [({}, True), ({"serialize": True}, False), ({"lifetime": "thread"}, False)],
)
def test_only_calls_that_wait_for_nothing_of_ours_may_prove_short(options, known):
    host = AdapterHost(DemoAdapter, **options)
    executor = ToolExecutor(host, SessionStore(), TelemetryHub())
    name = next(iter(host.tools))
    assert (executor.cost_of(ExecuteToolRequest(tool_name=name).encode()) is not None) is known
    assert executor.cost_of(ExecuteToolRequest(tool_name="missing").encode()) is None


def test_the_policy_decides_how_values_travel():
    made = Fixture(policy=WirePolicy(snakepit=True, allow_pickle=True))
    try:
        assert made.call("add", {"a": 2, "b": 3}).result.value == b"5.0"
        pickled = {"binary_parameters": {"value": b"I5\n."}}
        marks = {"binary_format:value": "pickle"}
        assert made.value("echo", **pickled, metadata=marks) == 5.0
    finally:
        made.host.close()


def test_a_large_array_comes_back_raw_with_its_layout(bridge):
    data = np.arange(5000, dtype="<i4")
    marks = {"binary_format:value": "tensor;dtype=<i4;shape=50,100"}
    response = bridge.call("echo", binary_parameters={"value": data.tobytes()}, metadata=marks)
    assert response.binary_result == data.tobytes()
    assert json.loads(response.result.value) == {
        "binary_format": "tensor",
        "dtype": "<i4",
        "shape": [50, 100],
        "type": "s32",
    }


def test_arrays_as_chunks(bridge):
    small, large = np.array([1.5, 2.5]), np.zeros((2, 3000))
    chunks = []
    for array in (small, large):
        layout = f"tensor;dtype=<f8;shape={','.join(map(str, array.shape))}"
        chunks += bridge.stream(
            "echo",
            binary_parameters={"value": array.tobytes()},
            metadata={"binary_format:value": layout},
        )
    first, _, second, _ = chunks
    assert first.metadata == {"json_format": "tensor"}
    assert json.loads(first.data)["data"] == [1.5, 2.5]
    assert second.metadata == {"binary_format": "tensor;dtype=<f8;shape=2,3000"}
    assert second.data == large.tobytes()


def test_a_session_is_made_by_its_first_call_and_its_metadata_reaches_tools(bridge):
    bridge.sessions.create("known", {"node": "n1"})
    seen = bridge.value("whoami", session_id="known", metadata={"k": "v"})
    assert seen["session"] == "known"
    assert seen["session_metadata"] == {"node": "n1"}
    assert seen["metadata"] == {"k": "v"}
    assert bridge.value("whoami", session_id="new")["session_metadata"] == {}
    assert bridge.sessions.get("new") is not None


def test_a_call_without_a_session_makes_none(bridge):
    assert bridge.value("whoami", session_id="")["session"] == ""
    assert len(bridge.sessions) == 0


def test_the_correlation_id_reaches_the_tool(bridge):
    call = FakeCall(metadata=((CORRELATION_HEADER, "sp-1"),))
    seen = bridge.value("whoami", call=call)
    assert seen["correlation"] == seen["metadata"]["correlation_id"] == "sp-1"
    assert bridge.value("whoami", metadata={"correlation_id": "m"})["correlation"] == "m"


def test_the_deadline_reaches_the_tool(bridge):
    assert bridge.value("whoami", call=FakeCall(timeout=60))["deadline"]
    assert not bridge.value("whoami")["deadline"]


def test_a_failure_is_structured(bridge):
    payload = bridge.failure("fail", {"kind": "value", "message": "no model"})
    assert payload["type"] == "ValueError"
    assert payload["message"] == "no model"
    assert payload["context"] == {"tool_name": "fail", "session_id": "s1"}
    assert payload["stacktrace"][-1] == "ValueError: no model"
    assert "in fail" in payload["traceback"]
    assert "ftbridge/bridge/" not in payload["traceback"]
    assert "ftbridge/adapters/" not in payload["traceback"]


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("exit", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
        ("recursion", "RecursionError"),
        ("memory", "MemoryError"),
    ],
)
def test_what_would_end_a_process_ends_one_call(bridge, kind, type_):
    assert bridge.failure("fail", {"kind": kind})["type"] == type_
    assert bridge.value("add", {"a": 1}) == 1


def test_a_huge_message_is_cut_and_argument_values_stay_out(bridge):
    response = bridge.call("fail", {"kind": "value", "message": "\u4e16" * 300_000})
    assert len(response.error_message) <= 64 * 1024
    assert json.loads(response.error_message)["message"].endswith("(cut)")
    assert "s3cret" not in bridge.call("add", {"a": "s3cret"}).error_message


def test_an_unknown_tool(bridge):
    payload = bridge.failure("nothing")
    assert payload["type"] == "ToolNotFoundError"
    assert "nothing" in payload["message"]


@pytest.mark.parametrize("name", ["_recurse", "__init__", "set_session_context", "acquire_lock"])
def test_what_is_no_tool_cannot_be_called(bridge, name):
    assert bridge.failure(name)["type"] == "ToolNotFoundError"


def test_a_tool_that_a_worker_registered_is_explained(bridge):
    session = bridge.sessions.create("s1")
    registry = ToolRegistry(bridge.host.tools)
    registry.register(session, [ToolRegistration(name="remote")], "w7")
    assert "worker 'w7'" in bridge.failure("remote")["message"]


def test_bad_arguments_are_named_all_at_once(bridge):
    payload = bridge.failure("add", {"b": "x", "c": 1})
    assert payload["type"] == "ToolArgumentError"
    for name in ("'a'", "'b'", "'c'"):
        assert name in payload["message"]


def test_a_parameter_that_is_not_json(bridge):
    request = build("add")
    request.parameters["a"] = AnyMessage(type_url="t/snakepit.map", value=b"{not json")
    response = ExecuteToolResponse.decode(bridge.executor.execute(request, FakeCall()))
    payload = json.loads(response.error_message)
    assert payload["type"] == "ParameterError"
    assert "parameter 'a'" in payload["message"]


def test_a_stream_asked_for_as_a_value(bridge):
    expected = {"error": "Streaming tool called on non-streaming endpoint."}
    assert bridge.value("count", {"n": 3}) == expected


def test_an_rpc_error_of_the_tool_is_the_calls_status(bridge):
    with pytest.raises(RpcError) as caught:
        bridge.call("fail", {"kind": "rpc"})
    assert caught.value.code is StatusCode.FAILED_PRECONDITION


def test_a_tool_that_stops_because_its_caller_went_ends_with_that_status(bridge):
    call = FakeCall()
    call.ended_with = StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(RpcError) as caught:
        bridge.call("fail", {"kind": "cancelled"}, call=call)
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED


def test_a_deadline_that_passed_is_a_status(bridge):
    with pytest.raises(RpcError) as caught:
        bridge.call("until_cancelled", call=FakeCall(timeout=0.05))
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED


def test_a_tool_that_claims_to_be_cancelled_has_failed(bridge):
    assert bridge.failure("fail", {"kind": "cancelled"})["type"] == "ToolCancelledError"


def test_no_room_for_another_session():
    bridge = Fixture(quota=1)
    try:
        assert bridge.value("add", {"a": 1}) == 1
        with pytest.raises(RpcError, match="session_quota_exceeded") as caught:
            bridge.call("add", {"a": 1}, session_id="s2")
        assert caught.value.code is StatusCode.INTERNAL
        with pytest.raises(RpcError) as caught:
            list(bridge.stream("count", {"n": 1}, session_id="s2"))
        assert caught.value.code is StatusCode.INTERNAL
        with pytest.raises(RpcError) as caught:
            bridge.call("add", {"a": 1}, session_id="x" * 1000)
        assert caught.value.code is StatusCode.INVALID_ARGUMENT
    finally:
        bridge.host.close()


def test_calls_of_many_threads(bridge):
    barrier = threading.Barrier(8)
    wrong: list[object] = []

    def run(n: int) -> None:
        barrier.wait(10)
        for i in range(50):
            value = bridge.value("add", {"a": n, "b": i}, session_id=f"s{i % 7}")
            if value != n + i:
                wrong.append((n, i, value))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(bridge.sessions) == 7
    assert bridge.executor.statistics().calls == 400
    assert bridge.executor.statistics().failed_calls == 0


# --- streams --------------------------------------------------------------------------------------


def test_chunks_are_numbered_and_the_tools_own_final_chunk_is_the_last(bridge):
    chunks = list(bridge.stream("count", {"n": 3}))
    assert [chunk.chunk_id for chunk in chunks] == ["count-1", "count-2", "count-3"]
    assert [json.loads(chunk.data) for chunk in chunks] == [{"i": 0}, {"i": 1}, {"i": 2}]
    assert [chunk.is_final for chunk in chunks] == [False, False, True]


@pytest.mark.parametrize("n", [0, 2])
def test_a_stream_without_a_final_chunk_gets_an_empty_one(bridge, n):
    chunks = list(bridge.stream("count", {"n": n, "final": False}))
    assert len(chunks) == n + 1
    assert chunks[-1].chunk_id == f"count-{n + 1}"
    assert chunks[-1].is_final
    assert chunks[-1].data == b""


def test_every_form_of_chunk(bridge):
    chunks = list(bridge.stream("kinds"))
    assert [chunk.data for chunk in chunks] == [
        b"",
        b"raw",
        "text \u00e9 ?".encode(),
        b"[1,null]",
        b'{"x":1}',
        b'{"data":1}',
        b"view",
        b"end",
    ]
    assert chunks[6].metadata == {"n": "1", "s": "?"}
    assert [chunk.is_final for chunk in chunks] == [False] * 7 + [True]
    for chunk in chunks:
        assert ToolChunk.decode(chunk.encode()) == chunk


@pytest.mark.parametrize(("value", "data"), [({"a": 1}, b'{"a":1}'), ("abc", b"abc"), (7, b"7")])
def test_a_value_asked_for_as_a_stream_is_one_chunk(bridge, value, data):
    chunks = list(bridge.stream("echo", {"value": value}))
    assert [chunk.data for chunk in chunks if chunk.data] == [data]
    assert chunks[-1].is_final


def test_an_error_in_mid_stream_comes_after_the_chunks(bridge):
    stream = bridge.stream("break_after", {"n": 2, "message": "half-way"})
    assert [next(stream).data, next(stream).data] == [b"0", b"1"]
    with pytest.raises(RpcError) as caught:
        next(stream)
    assert caught.value.code is StatusCode.INTERNAL
    payload = json.loads(caught.value.details)
    assert (payload["type"], payload["message"]) == ("ValueError", "half-way")
    assert payload["context"] == {"tool_name": "break_after", "session_id": "s1"}


@pytest.mark.parametrize("message", ["x" * 100_000, "%" * 100_000, "\u4e16" * 100_000])
def test_a_streams_error_is_whole_json_after_the_transports_cut(bridge, message):
    with pytest.raises(RpcError) as caught:
        list(bridge.stream("break_after", {"n": 0, "message": message}))
    details = caught.value.details
    assert encoded_length(details) <= STATUS_BUDGET_BYTES
    sent = decode_message(encode_message(details))
    assert json.loads(sent)["type"] == "ValueError"


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("nothing", {}, StatusCode.NOT_FOUND),
        ("count", {}, StatusCode.INVALID_ARGUMENT),
        ("fail", {"kind": "exit"}, StatusCode.INTERNAL),
        ("fail", {"kind": "rpc"}, StatusCode.FAILED_PRECONDITION),
    ],
)
def test_statuses_of_streams(bridge, name, arguments, code):
    with pytest.raises(RpcError) as caught:
        list(bridge.stream(name, arguments))
    assert caught.value.code is code


def test_closing_the_stream_closes_the_tool_once(bridge):
    stream = bridge.stream("endless")
    next(stream)
    next(stream)
    assert not GATES.closed.acquire(blocking=False)
    stream.close()  # type: ignore[attr-defined]
    assert GATES.closed.acquire(blocking=False)
    assert not GATES.closed.acquire(blocking=False)
    assert bridge.executor.statistics().chunks == 2
    assert bridge.executor.statistics().failed_streams == 0


def test_a_tool_goes_on_only_as_its_chunks_are_taken(bridge):
    stream = bridge.stream("endless")
    assert [json.loads(next(stream).data) for _ in range(3)] == [0, 1, 2]
    stream.close()  # type: ignore[attr-defined]
    GATES.closed.acquire(blocking=False)


# --- telemetry ------------------------------------------------------------------------------------


def events(bridge: Fixture, run: Any) -> list[tuple[str, dict[str, str], str]]:
    subscription = bridge.telemetry.subscribe()
    run()
    subscription.close()
    return [(event.event_parts[-1], event.metadata, event.correlation_id) for event in subscription]


def test_telemetry_of_calls(bridge):
    call = FakeCall(metadata=((CORRELATION_HEADER, "c"),))
    about = {"tool": "add", "session_id": "s1"}
    seen = events(bridge, lambda: bridge.value("add", {"a": 1}, call=call))
    assert seen == [("start", about, "c"), ("stop", about, "c")]
    seen = events(bridge, lambda: bridge.failure("fail", {"kind": "value"}))
    assert [kind for kind, _, _ in seen] == ["start", "exception"]
    assert seen[1][1]["error_type"] == "ValueError"


def test_telemetry_of_streams(bridge):
    seen = events(bridge, lambda: list(bridge.stream("count", {"n": 2})))
    assert [kind for kind, _, _ in seen] == ["start", "stop"]

    def broken() -> None:
        with pytest.raises(RpcError):
            list(bridge.stream("break_after", {"n": 1}))

    assert [kind for kind, _, _ in events(bridge, broken)] == ["start", "exception"]


def test_statistics(bridge):
    bridge.value("add", {"a": 1})
    bridge.failure("add")
    list(bridge.stream("count", {"n": 2}))
    with pytest.raises(RpcError):
        list(bridge.stream("break_after", {"n": 1}))
    counted = bridge.executor.statistics()
    assert (counted.calls, counted.failed_calls) == (2, 1)
    assert (counted.streams, counted.failed_streams, counted.chunks) == (2, 1, 3)
