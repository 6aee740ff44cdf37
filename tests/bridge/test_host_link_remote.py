"""The line to a host elsewhere, against the stand-in on the official server."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from bridge.races import Meeting, NoLock, at_once
from hosts.bridge_process import BridgeProcess, bridge_stand_in

from ftbridge import ThreadSafeAdapter, tool
from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import ToolCancelledError
from ftbridge.adapters.host import AdapterHost
from ftbridge.adapters.host_access import (
    HostToolDeadlineError,
    HostToolError,
    HostToolFailedError,
    HostToolNotFoundError,
    HostUnavailableError,
)
from ftbridge.bridge import BridgeServer, RemoteHostLink
from ftbridge.bridge.host_sessions import Peer
from ftbridge.rpc import Channel, RpcError, ServerOptions, StatusCode
from ftbridge.wire import messages as m
from ftbridge.wire.values import decode_value, encode_value

WAIT = 20.0
SERVICE = "/snakepit.bridge.BridgeService/"
WORKER = "default_worker_1_42"
HELD = "w-held"


class Worker(ThreadSafeAdapter):
    """Tools that call back, and one that does not."""

    __thread_safe__ = True

    @tool
    def add(self, a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @tool
    def ask(self, tool: str, arguments: dict) -> object:
        return self.session_context.call_elixir_tool(tool, arguments)

    @tool
    def names(self) -> list[str]:
        return sorted(self.session_context.elixir_tools)

    @tool
    async def ask_async(self, tool: str, arguments: dict) -> object:
        return await self.session_context.acall_host_tool(tool, arguments)


class Served:
    """The adapter served as a worker of the stand-in."""

    def __init__(self, address: str, **options: Any) -> None:
        self.link = RemoteHostLink(address, worker_id=WORKER, **options)
        self.server = BridgeServer(
            AdapterHost(Worker), link=self.link, options=ServerOptions(threads=4)
        )
        self.address = f"127.0.0.1:{self.server.start()}"
        self.channel = Channel(self.address)

    def close(self) -> None:
        self.channel.close()
        self.server.stop(0)

    def ask(self, method: str, request: Any, answer: Any, **options: Any) -> Any:
        options.setdefault("timeout", WAIT)
        return answer.decode(self.channel.unary(SERVICE + method, request.encode(), **options))

    def begin(self, session: str) -> Any:
        request = m.InitializeSessionRequest(session_id=session, metadata={"elixir_node": "n"})
        return self.ask("InitializeSession", request, m.InitializeSessionResponse)

    def execute(self, session: str, tool: str, arguments: Any, **options: Any) -> Any:
        request = m.ExecuteToolRequest(
            session_id=session,
            tool_name=tool,
            parameters={key: encode_value(value) for key, value in arguments.items()},
        )
        answer = self.ask("ExecuteTool", request, m.ExecuteToolResponse, **options)
        if not answer.success:
            return json.loads(answer.error_message)
        return decode_value(answer.result)

    def valid(self, session: str) -> bool:
        request = m.HeartbeatRequest(session_id=session)
        return self.ask("Heartbeat", request, m.HeartbeatResponse).session_valid


@pytest.fixture(scope="module")
def bridge() -> Iterator[BridgeProcess]:
    with bridge_stand_in() as running:
        yield running


@pytest.fixture
def host(bridge) -> BridgeProcess:
    bridge.do("clear")
    return bridge


@pytest.fixture
def served(host) -> Iterator[Served]:
    made = Served(host.address)
    yield made
    made.close()


@pytest.fixture
def link(host) -> Iterator[RemoteHostLink]:
    made = RemoteHostLink(host.address, session_timeout=WAIT)
    yield made
    made.close()


def context(link: RemoteHostLink, session: str, **options: Any) -> SessionContext:
    return SessionContext(session, {"correlation_id": "sp-7"}, host=link, **options)


# --- calls --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["text", 'a "quoted" {', 1, 2**60, 1.5, True, None, [1, [2]], {"a": {"b": None}}, "\u00e9"],
)
def test_every_kind_of_argument_arrives_as_json(link, host, value):
    host.do("clear")
    expose(host, "args", "echo")
    assert context(link, "args").call_elixir_tool("echo", {"value": value}) == {"value": value}
    [call] = host.do("calls", method="ExecuteElixirTool")
    raw = base64.b64decode(call["request"]["parameters"]["value"]["base64"])
    assert json.loads(raw) == value


def test_bytes_go_as_base64_and_come_back_raw(link, host):
    expose(host, "bytes", "echo")
    expose(host, "bytes", "binary")
    mine = context(link, "bytes")
    assert mine.call_host_tool("echo", data=b"\x00\xff") == {"data": {"raw_data_base64": "AP8="}}
    assert mine.call_host_tool("binary") == bytes(range(256))


def test_results_that_are_no_json_are_their_text(link, host):
    expose(host, "odd", "odd")
    expose(host, "odd", "nothing")
    assert context(link, "odd").call_host_tool("odd") == "#PID<0.1.0>"
    assert context(link, "odd").call_host_tool("nothing") is None


def test_descriptions_and_the_forms_that_need_them(link, host):
    host.do(
        "expose",
        session="specs",
        name="validate_data",
        behaviour="echo",
        description="Validate",
        parameters=[
            {"name": "data", "type": "map", "required": True},
            {"name": "strict", "default": False},
        ],
    )
    mine = context(link, "specs")
    assert dict(mine.elixir_tools) == {
        "validate_data": {
            "name": "validate_data",
            "description": "Validate",
            "parameters": {
                "data": {"type": "map", "required": True},
                "strict": {"type": "any", "required": False, "default": False},
            },
        }
    }
    found = mine.call_elixir_tool("validate_data", input={"data": {}}, options={"timeout": 5000})
    assert found == {"data": {}}
    assert mine.elixir_tools["validate_data"](data={"a": 1}) == {"data": {"a": 1}}
    assert host.count("GetExposedElixirTools") == 1


def test_deadline_and_correlation_id_go_with_the_call(link, host):
    expose(host, "meta", "echo")
    mine = context(link, "meta", deadline=time.monotonic() + 30)
    mine.call_host_tool("echo")
    mine.call_host_tool("echo", options={"timeout": 9000})
    first, second = host.do("calls", method="ExecuteElixirTool")
    assert 20 < first["timeout"] <= 30
    assert 5 < second["timeout"] <= 9
    assert first["metadata"]["x-snakepit-correlation-id"] == "sp-7"
    assert first["request"]["metadata"] == {"correlation_id": "sp-7"}


def test_the_session_is_told_once(link, host):
    expose(host, "once", "echo")
    mine = context(link, "once")
    served_here(link)
    for _ in range(3):
        mine.call_host_tool("echo")
    threads = [threading.Thread(target=mine.call_host_tool, args=("echo",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert (host.count("InitializeSession"), host.count("ExecuteElixirTool")) == (1, 7)


def served_here(link: RemoteHostLink) -> None:
    """Give the link a session store, as a server does."""
    from ftbridge.bridge import SessionStore, ToolRegistry

    store = SessionStore()
    store.create("once")
    store.create("again")
    link.bind(store, ToolRegistry({}), Worker)


def test_a_session_that_the_host_has_forgotten_is_told_anew(link, host):
    served_here(link)
    expose(host, "again", "echo")
    mine = context(link, "again")
    mine.call_host_tool("echo")
    host.do("forget", session="again")
    assert mine.call_host_tool("echo", a=1) == {"a": 1}
    assert host.count("InitializeSession") == 2


def test_errors_are_typed(link, host):
    expose(host, "err", "fail")
    mine = context(link, "err")
    with pytest.raises(HostToolNotFoundError, match="'other'"):
        mine.call_host_tool("other")
    with pytest.raises(ValueError, match="other"):  # what the stock worker's callers catch
        mine.call_elixir_tool("other")
    with pytest.raises(HostToolFailedError, match="RuntimeError") as raised:
        mine.call_host_tool("fail", message="disk full")
    assert "disk full" in raised.value.host_message
    host.do("fail", method="ExecuteElixirTool", code="INTERNAL", details="broken")
    with pytest.raises(HostToolFailedError, match="broken"):
        mine.call_host_tool("fail")
    host.do("fail", method="ExecuteElixirTool", code="UNAVAILABLE", details="gone")
    with pytest.raises(HostUnavailableError, match="gone"):
        mine.call_host_tool("fail")
    with pytest.raises(HostToolError, match="no session"):
        context(link, "").call_host_tool("fail")


def test_a_tools_own_not_found_is_not_taken_for_the_sessions(link, host):
    """A call that failed by itself must not be made twice."""
    expose(host, "own", "echo")
    mine = context(link, "own")
    mine.call_host_tool("echo")
    host.do("answer", method="ExecuteElixirTool", message="not_found")
    with pytest.raises(HostToolFailedError, match="not_found"):
        mine.call_host_tool("echo")
    assert host.count("ExecuteElixirTool") == 2


def test_a_host_that_hangs_is_given_up(link, host):
    expose(host, "hang", "echo")
    mine = context(link, "hang")
    mine.call_host_tool("echo")
    host.do("hold", method="ExecuteElixirTool")
    try:
        with pytest.raises(HostToolDeadlineError, match="'echo' has not answered in time"):
            mine.call_host_tool("echo", options={"timeout": 50})
        late = context(link, "hang", deadline=time.monotonic() + 0.05)
        with pytest.raises((HostToolDeadlineError, ToolCancelledError)):
            late.call_host_tool("echo")
        canceller = threading.Thread(
            target=lambda: (
                host.do("await_calls", method="ExecuteElixirTool", count=4),
                mine.cancel("gone"),
            )
        )
        canceller.start()
        with pytest.raises(ToolCancelledError, match="gone"):
            mine.call_host_tool("echo")
        canceller.join(WAIT)
    finally:
        host.do("release", method="ExecuteElixirTool")


def test_the_line_is_made_again(link, host):
    expose(host, "back", "echo")
    mine = context(link, "back")
    mine.call_host_tool("echo")
    host.do("stop")
    with pytest.raises(HostUnavailableError, match="cannot be reached"):
        mine.call_host_tool("echo")
    with pytest.raises(HostUnavailableError):
        mine.elixir_tools  # noqa: B018
    host.do("start")
    assert mine.call_host_tool("echo") == {}
    assert list(mine.elixir_tools) == ["echo"]


def test_a_host_that_answers_no_list_is_unavailable(host):
    link = RemoteHostLink(host.address, session_timeout=0.05)
    host.do("hold", method="GetExposedElixirTools")
    try:
        with pytest.raises(HostUnavailableError, match="did not answer GetExposedElixirTools"):
            context(link, "s").elixir_tools  # noqa: B018
    finally:
        host.do("release", method="GetExposedElixirTools")
        link.close()


def expose(host: BridgeProcess, session: str, behaviour: str) -> None:
    host.do("expose", session=session, name=behaviour, behaviour=behaviour, replace=True)


# --- served -------------------------------------------------------------------------------------


def test_the_hosts_session_is_told_on_and_its_tools_can_be_called_from_there(served, host):
    assert served.begin("w1").success
    state = host.do("state")
    assert state["sessions"]["w1"] == {"elixir_node": "n"}
    assert {name for name in state["tools"] if name.startswith("w1:")} == {
        "w1:add",
        "w1:ask",
        "w1:ask_async",
        "w1:names",
    }
    [call] = host.do("calls", method="RegisterTools")
    assert call["request"]["worker_id"] == WORKER
    assert call["request"]["tools"]["add"]["description"] == "Add two numbers."
    assert call["request"]["tools"]["add"]["metadata"]["adapter_class"] == "Worker"
    host.do("worker", worker_id=WORKER, address=served.address)
    assert host.do("execute", session="w1", tool="add", params={"a": 1, "b": 2}) == {"result": 3}


def test_a_session_that_comes_with_a_call_is_told_with_it_once(served, host):
    for _ in range(3):
        assert served.execute("u1", "add", {"a": 1, "b": 2}) == 3
    assert host.do("state")["tools"]["u1:add"] == WORKER
    assert (host.count("InitializeSession"), host.count("RegisterTools")) == (1, 1)


def test_tools_call_the_host_from_their_thread_and_from_async_code(served, host):
    expose(host, "u2", "echo")
    arguments = {"tool": "echo", "arguments": {"a": "x"}}
    assert served.execute("u2", "ask", arguments) == {"a": "x"}
    assert served.execute("u2", "ask_async", arguments) == {"a": "x"}
    assert served.execute("u2", "names", {}) == ["echo"]
    failed = served.execute("u2", "ask", {"tool": "other", "arguments": {}})
    assert failed["type"] == "HostToolNotFoundError"


def test_heartbeats_and_other_tools_do_without_a_host_that_hangs(host):
    for method in ("InitializeSession", "RegisterTools", "Heartbeat", "ExecuteElixirTool"):
        host.do("hold", method=method)
    served = Served(host.address, attach_wait=0.05, session_timeout=0.5)
    try:
        assert served.execute(HELD, "add", {"a": 1, "b": 2}, timeout=5) == 3
        assert served.valid(HELD)
        assert served.begin("w2").success  # a worker must not be lost over it
        assert served.valid("w2")
        failed = served.execute(HELD, "ask", {"tool": "echo", "arguments": {}})
        assert failed["type"] == "HostUnavailableError"
        assert served.execute(HELD, "add", {"a": 2, "b": 2}, timeout=5) == 4
    finally:
        for method in ("InitializeSession", "RegisterTools", "Heartbeat", "ExecuteElixirTool"):
            host.do("release", method=method)
        served.close()


def test_stopping_does_not_wait_for_a_host_that_hangs(host):
    host.do("hold", method="ExecuteElixirTool")
    served = Served(host.address)
    ended: list[StatusCode] = []

    def call() -> None:
        try:
            served.execute("u3", "ask", {"tool": "echo", "arguments": {}})
        except RpcError as error:
            ended.append(error.code)

    caller = threading.Thread(target=call)
    caller.start()
    try:
        assert host.do("await_calls", method="ExecuteElixirTool", count=1)
        served.server.stop(0)
        caller.join(WAIT)
        assert ended == [StatusCode.UNAVAILABLE]
    finally:
        host.do("release", method="ExecuteElixirTool")
        served.close()


def test_a_tool_that_proved_short_holds_nobody_up_when_the_host_hangs(host):
    """Short calls may run on the reactor's thread: heartbeats come past one that waits."""
    served = Served(host.address, attach_wait=WAIT)
    try:
        for _ in range(100):
            assert served.execute("short", "add", {"a": 1, "b": 2}) == 3
        host.do("hold", method="InitializeSession")
        waiting = threading.Thread(target=served.execute, args=("new", "add", {"a": 1, "b": 2}))
        waiting.start()
        host.do("await_calls", method="InitializeSession", count=2)
        request = m.HeartbeatRequest(session_id="short")
        assert served.ask("Heartbeat", request, m.HeartbeatResponse, timeout=WAIT / 2).session_valid
        assert served.execute("short", "add", {"a": 1, "b": 2}, timeout=WAIT / 2) == 3
        assert waiting.is_alive()
    finally:
        host.do("release", method="InitializeSession")
        waiting.join(WAIT)
        served.close()


@pytest.mark.parametrize("locked", [True, False])
def test_a_session_has_one_record_of_its_host_thanks_to_the_lock(link, locked, monkeypatch):
    meeting = Meeting(2, locked=locked)
    made: list[Any] = []

    class Meets(Peer):
        def __init__(self, session_id: str) -> None:
            super().__init__(session_id)
            made.append(self)
            meeting()

    monkeypatch.setattr("ftbridge.bridge.host_link_remote.Peer", Meets)
    served_here(link)
    if not locked:
        link._lock = NoLock()  # type: ignore[assignment]
    at_once([partial(link._peer, "once")] * 2)
    assert len(made) == (1 if locked else 2)


def test_without_a_host_the_worker_works_and_tells_it_later(host):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    served = Served(address)
    try:
        assert served.begin("w3").success
        assert served.execute("w3", "add", {"a": 1, "b": 2}) == 3
        assert served.valid("w3")
        failed = served.execute("w3", "names", {})
        assert failed["type"] == "HostUnavailableError"
    finally:
        served.close()


def test_the_hosts_refusal_of_a_session_is_handed_on(served, host):
    host.do("quota", quota=0)
    try:
        with pytest.raises(RpcError, match="session_quota_exceeded") as raised:
            served.begin("w4")
        assert raised.value.code is StatusCode.INTERNAL
    finally:
        host.do("quota", quota=10_000)


def test_sessions_are_looked_for_and_cleaned_at_the_host_too(served, host):
    served.begin("w5")
    find = m.GetSessionRequest(session_id="w5")
    assert served.ask("GetSession", find, m.GetSessionResponse).metadata == {"elixir_node": "n"}
    clean = m.CleanupSessionRequest(session_id="w5")
    assert served.ask("CleanupSession", clean, m.CleanupSessionResponse).resources_cleaned == 1
    assert "w5" not in host.do("state")["sessions"]
    with pytest.raises(RpcError) as raised:
        served.ask("GetSession", find, m.GetSessionResponse)
    assert raised.value.code is StatusCode.NOT_FOUND
    assert not served.valid("w5")
    served.execute("w6", "add", {"a": 1, "b": 1})
    other = Served(host.address)  # knows nothing of it, its host does
    try:
        find = m.GetSessionRequest(session_id="w6")
        assert other.ask("GetSession", find, m.GetSessionResponse).session_id == "w6"
    finally:
        other.close()


@pytest.mark.parametrize("method", ["RegisterTools", "GetExposedElixirTools", "ExecuteElixirTool"])
def test_what_only_a_host_answers_is_not_served(served, method):
    with pytest.raises(RpcError) as raised:
        served.channel.unary(SERVICE + method, b"", timeout=WAIT)
    assert raised.value.code is StatusCode.UNIMPLEMENTED


def test_a_bad_address():
    with pytest.raises(ValueError, match="nowhere"):
        RemoteHostLink("nowhere")
