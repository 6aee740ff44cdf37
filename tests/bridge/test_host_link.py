"""The embedded host: its tools are called by tools in the same process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ftbridge import BaseAdapter, ThreadSafeAdapter, current_session, tool
from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import ToolCancelledError, ToolDeadlineError
from ftbridge.adapters.host import AdapterHost
from ftbridge.adapters.host_access import (
    HostToolArgumentError,
    HostToolDeadlineError,
    HostToolFailedError,
    HostToolNotFoundError,
)
from ftbridge.bridge import BridgeServer, EmbeddedHostLink, HostTools
from ftbridge.rpc import Channel, ServerOptions
from ftbridge.wire import messages as m
from ftbridge.wire.values import decode_value, encode_value

WAIT = 20.0
EXECUTE = "/snakepit.bridge.BridgeService/ExecuteTool"


@pytest.fixture
def tools() -> HostTools:
    return HostTools()


@pytest.fixture
def context(tools) -> SessionContext:
    return SessionContext("s", host=EmbeddedHostLink(tools))


def test_objects_are_passed_as_they_are(tools, context):
    tools.register(lambda value: value, name="same")
    value = {b"raw": object()}
    assert context.call_host_tool("same", value=value) is value
    assert context.call_host_tool("same", value=b"\x00") == b"\x00"


def test_descriptions_are_those_of_the_signature(tools, context):
    def store(value: int, unit: str = "m") -> dict[str, int]:
        """Keep a value.

        Args:
            value: to keep.
        """
        return {"id": value}

    tools.register(store)
    assert context.host_tools["store"] == {
        "name": "store",
        "description": "Keep a value.",
        "parameters": {
            "value": {"type": "integer", "required": True, "description": "to keep."},
            "unit": {"type": "string", "required": False, "default": "m"},
        },
    }
    # The form of the adapter guide, with the parameters inside `input`.
    found = context.call_elixir_tool("store", input={"value": 7}, options={"timeout": 5000})
    assert found == {"id": 7}


def test_errors_are_typed_as_those_of_a_host_elsewhere(tools, context):
    def fail() -> None:
        raise LookupError("nothing there")

    tools.register(fail)
    tools.register(lambda: exit(3), name="leave")
    with pytest.raises(HostToolNotFoundError, match="'other'; exposed: fail, leave"):
        context.call_host_tool("other")
    with pytest.raises(HostToolArgumentError, match="host tool 'fail': unknown 'x'"):
        context.call_host_tool("fail", x=1)
    with pytest.raises(HostToolFailedError, match="LookupError: nothing there") as raised:
        context.call_host_tool("fail")
    assert isinstance(raised.value.__cause__, LookupError)
    with pytest.raises(HostToolFailedError, match="SystemExit: 3"):
        context.call_host_tool("leave")


def test_a_host_tool_may_see_the_request_and_stop_with_it(tools, context):
    def careful() -> None:
        context.cancel("gone")
        context.raise_if_cancelled()

    tools.register(careful)
    with pytest.raises(ToolCancelledError, match="gone"):
        context.call_host_tool("careful")


def test_a_call_whose_time_is_up_is_not_made(tools):
    called: list[int] = []
    tools.register(lambda: called.append(1), name="note")
    link = EmbeddedHostLink(tools)
    with pytest.raises(ToolDeadlineError):
        SessionContext("s", deadline=time.monotonic() - 1, host=link).call_host_tool("note")
    with pytest.raises(HostToolDeadlineError, match="'note': its time is up"):
        link.call_host_tool(SessionContext("s"), "note", {}, time.monotonic() - 1)
    assert not called


class Pipeline(ThreadSafeAdapter):
    """The guide's workflow: validate there, work here, store there."""

    __thread_safe__ = True

    @tool
    def run(self, data: dict) -> dict:
        validation = self.session_context.call_elixir_tool("validate_input", data=data)
        if not validation["valid"]:
            return {"error": "Invalid input"}
        stored = self.session_context.call_elixir_tool("store", predictions=[1.0])
        return {"success": True, "id": stored["id"], "session": stored["session"]}

    @tool
    async def run_async(self) -> list[object]:
        found = await self.session_context.acall_host_tool("store", predictions=[2.0])
        return [found["session"], sorted(await self.session_context.aload_host_tools())]


class PerRequest(BaseAdapter):
    """The same of an adapter that lives for a request."""

    __thread_safe__ = True
    run = Pipeline.run


def validate_input(data: dict) -> dict:
    return {"valid": bool(data)}


def store(predictions: list[float]) -> dict:
    return {"id": len(predictions), "session": current_session().session_id}


@pytest.fixture(params=[Pipeline, PerRequest])
def channel(request, tools) -> Iterator[Channel]:
    tools.register(validate_input)
    tools.register(store)
    server = BridgeServer(AdapterHost(request.param), host_tools=tools)
    port = server.start()
    try:
        with Channel(f"127.0.0.1:{port}") as opened:
            yield opened
    finally:
        server.stop(0)


def execute(channel: Channel, name: str, **arguments: object) -> object:
    request = m.ExecuteToolRequest(
        session_id="s1",
        tool_name=name,
        parameters={key: encode_value(value) for key, value in arguments.items()},
    )
    answer = m.ExecuteToolResponse.decode(channel.unary(EXECUTE, request.encode(), timeout=WAIT))
    assert answer.success, answer.error_message
    assert answer.result is not None
    return decode_value(answer.result)


def test_the_guides_workflow_runs_without_elixir(channel):
    assert execute(channel, "run", data={"a": 1}) == {"success": True, "id": 1, "session": "s1"}
    assert execute(channel, "run", data={}) == {"error": "Invalid input"}


@pytest.mark.parametrize("channel", [Pipeline], indirect=True)
def test_the_async_form_keeps_the_request(channel):
    assert execute(channel, "run_async") == ["s1", ["store", "validate_input"]]


def test_host_tools_need_no_handler_thread():
    """With every handler in a tool, each of which calls the host: nobody waits for a thread."""
    meeting = threading.Barrier(2)
    tools = HostTools()
    tools.register(lambda: meeting.wait(WAIT), name="meet")

    class Meets(ThreadSafeAdapter):
        __thread_safe__ = True

        @tool
        def meet(self) -> int:
            return self.session_context.call_host_tool("meet")

    server = BridgeServer(AdapterHost(Meets), options=ServerOptions(threads=2), host_tools=tools)
    address = f"127.0.0.1:{server.start()}"
    found: list[object] = []
    try:
        with Channel(address) as channel:
            threads = [
                threading.Thread(target=lambda: found.append(execute(channel, "meet")))
                for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WAIT)
    finally:
        server.stop(0)
    assert sorted(found) == [0, 1]
