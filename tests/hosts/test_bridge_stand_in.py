"""The stand-in keeps the host's rules; what is built against it relies on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hosts.bridge_process import BridgeProcess, bridge_stand_in

from ftbridge.rpc import Channel, RpcError, StatusCode
from ftbridge.wire import messages as m
from ftbridge.wire.values import decode_value

SERVICE = "/snakepit.bridge.BridgeService/"


@pytest.fixture(scope="module")
def bridge() -> Iterator[BridgeProcess]:
    with bridge_stand_in() as running:
        yield running


@pytest.fixture(scope="module")
def channel(bridge) -> Iterator[Channel]:
    with Channel(bridge.address) as opened:
        yield opened


def ask(channel: Channel, method: str, request: Any, answer: Any) -> Any:
    return answer.decode(channel.unary(SERVICE + method, request.encode(), timeout=20))


def begin(channel: Channel, session: str) -> None:
    request = m.InitializeSessionRequest(session_id=session)
    assert ask(channel, "InitializeSession", request, m.InitializeSessionResponse).success


def register(channel: Channel, session: str, *names: str, worker: str = "w1") -> Any:
    request = m.RegisterToolsRequest(
        session_id=session,
        worker_id=worker,
        tools=[m.ToolRegistration(name=name) for name in names],
    )
    return ask(channel, "RegisterTools", request, m.RegisterToolsResponse)


def execute(channel: Channel, session: str, tool: str, **parameters: bytes) -> Any:
    request = m.ExecuteElixirToolRequest(
        session_id=session,
        tool_name=tool,
        parameters={k: m.Any(type_url="any", value=v) for k, v in parameters.items()},
    )
    return ask(channel, "ExecuteElixirTool", request, m.ExecuteElixirToolResponse)


def test_a_session_has_to_be_there_first(channel):
    assert not ask(
        channel, "Heartbeat", m.HeartbeatRequest(session_id="none"), m.HeartbeatResponse
    ).session_valid
    assert register(channel, "none", "tool").error_message == "not_found"
    assert execute(channel, "none", "echo").error_message == "not_found"
    with pytest.raises(RpcError) as raised:
        ask(channel, "GetSession", m.GetSessionRequest(session_id="none"), m.GetSessionResponse)
    assert raised.value.code is StatusCode.NOT_FOUND


def test_registrations_are_checked_and_atomic(channel, bridge):
    begin(channel, "reg")
    assert register(channel, "reg", "one", "two").tool_ids == {
        "one": "reg:one",
        "two": "reg:two",
    }
    refused = register(channel, "reg", "three", "one")
    assert "duplicate_tool" in refused.error_message
    assert "invalid_format" in register(channel, "reg", "four", "_x").error_message
    assert "too_long" in register(channel, "reg", "x" * 65).error_message
    tools = bridge.do("state")["tools"]
    assert {name for name in tools if name.startswith("reg:")} == {"reg:one", "reg:two"}


def test_elixir_tools_take_json_and_nothing_else(channel, bridge):
    begin(channel, "ex")
    bridge.do("expose", session="ex", name="echo", behaviour="echo")
    answer = execute(channel, "ex", "echo", a=b'{"x": [1, null]}')
    assert decode_value(answer.result) == {"a": {"x": [1, None]}}
    packed = execute(channel, "ex", "echo", a=b"\n\x05hello")
    assert not packed.success
    assert "Invalid parameter" in packed.error_message
    assert "tool_not_found" in execute(channel, "ex", "other").error_message


def test_quota_comes_before_idempotence(channel, bridge):
    begin(channel, "again")
    begin(channel, "again")
    bridge.do("quota", quota=1)
    try:
        with pytest.raises(RpcError, match="session_quota_exceeded"):
            begin(channel, "again")
    finally:
        bridge.do("quota", quota=10_000)


def test_there_is_no_telemetry_stream(channel):
    call = channel.stream_stream(SERVICE + "StreamTelemetry", iter(()), timeout=20)
    with pytest.raises(RpcError) as raised:
        next(call)
    assert raised.value.code is StatusCode.UNIMPLEMENTED


def test_it_can_hang_fail_and_come_back(channel, bridge):
    ping = m.PingRequest(message="x").encode()
    bridge.do("clear")
    bridge.do("hold", method="Ping")
    with pytest.raises(RpcError) as raised:
        channel.unary(SERVICE + "Ping", ping, timeout=0.5)
    assert raised.value.code is StatusCode.DEADLINE_EXCEEDED
    assert bridge.do("await_calls", method="Ping", count=1)
    bridge.do("release", method="Ping")
    bridge.do("fail", method="Ping", code="UNAVAILABLE")
    with pytest.raises(RpcError, match="told to"):
        channel.unary(SERVICE + "Ping", ping, timeout=20)
    bridge.do("stop")
    with pytest.raises(RpcError) as raised:
        channel.unary(SERVICE + "Ping", ping, timeout=20)
    assert raised.value.code is StatusCode.UNAVAILABLE
    bridge.do("start")
    channel.unary(SERVICE + "Ping", ping, timeout=20)
