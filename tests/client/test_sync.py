"""`Client` against a server on a socket; retries against a scripted channel."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from client.served import MEETING, WAIT, Served, wait_until

import ftbridge
from ftbridge.client import (
    NO_RETRIES,
    CallCancelledError,
    CallError,
    Client,
    ClientError,
    DeadlineExceededError,
    ForeignServerError,
    RetryPolicy,
    ToolError,
    UnavailableError,
)
from ftbridge.rpc import RpcError, StatusCode
from ftbridge.wire import messages
from ftbridge.wire.values import encode_value

QUICK = RetryPolicy(attempts=2000, first_pause=0.0, longest_pause=0.01)


# --- calls ----------------------------------------------------------------------------------------


def test_it_is_a_public_name() -> None:
    assert ftbridge.Client is Client


@pytest.mark.parametrize(
    "value", [None, True, 2**63, -1.5, "é", [1, [None]], {"a": {"b": 1}}, b"\0\xff", b"", "NaN"]
)
def test_values_there_and_back(client: Client, value: object) -> None:
    back = client.call("echo", value=value)
    assert back == value
    assert type(back) is type(value) or value == b""


def test_arguments_as_mapping_as_keywords_and_both(client: Client) -> None:
    assert client.call("echo", {"value": 1}) == 1
    assert client.call("scale", {"x": np.ones(2)}, by=3.0).tolist() == [3, 3]
    with pytest.raises(TypeError, match="given twice: 'value'"):
        client.call("echo", {"value": 1}, value=2)
    with pytest.raises(ToolError, match="timeout"):
        client.call("echo", {"timeout": 5})  # the tool's own argument, which it does not have


@pytest.mark.parametrize("shape", [(3,), (200, 300)], ids=["json", "raw"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8", "|u1", "|b1", "<c8"])
def test_arrays_both_ways(client: Client, shape: tuple[int, ...], dtype: str) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    back = client.call("echo", value=array)
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype.newbyteorder("<")
    assert np.array_equal(back, array)
    assert not back.flags.writeable


def test_large_arrays_are_views_of_what_was_received(client: Client) -> None:
    back = client.call("scale", x=np.ones((300, 300)))
    owner = back
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    assert isinstance(owner, bytes | memoryview)
    seen = client.call("look", x=np.ones((300, 300), dtype="<f4"))
    assert seen == {"dtype": "<f4", "shape": [300, 300], "writeable": False}


def test_metadata_and_correlation_id_reach_the_tool(served: Served) -> None:
    with Client(served.address, metadata={"app": "x", "k": "default"}) as client:
        seen = client.call("whoami", metadata={"k": "v"}, correlation_id="c-1")
    assert seen["metadata"] == {"app": "x", "k": "v", "correlation_id": "c-1"}
    assert seen["correlation"] == "c-1"
    assert seen["session"] == ""


def test_the_correlation_header_is_the_bridges() -> None:
    from ftbridge.bridge.context import CORRELATION_HEADER, CORRELATION_KEY
    from ftbridge.client import exchange

    assert exchange.CORRELATION_HEADER == CORRELATION_HEADER
    assert exchange.CORRELATION_KEY == CORRELATION_KEY


def test_tools_are_described(client: Client) -> None:
    tools = client.tools()
    assert tools["echo"].idempotent
    assert not tools["fail"].idempotent
    assert tools["count"].supports_streaming
    n, mark = tools["count"].parameters
    assert (n.name, n.type, n.required, n.has_default) == ("n", "integer", True, False)
    assert (mark.required, mark.has_default, mark.default) == (False, True, False)
    assert client.ping() < WAIT


# --- sessions -------------------------------------------------------------------------------------


def test_a_session_is_made_and_cleaned_up(served: Served, client: Client) -> None:
    sessions = served.server.service.sessions
    with client.session(metadata={"user": "ann"}) as session:
        assert sessions.get(session.session_id) is not None
        seen = session.call("whoami")
        assert seen["session"] == session.session_id
        assert seen["session_metadata"] == {"user": "ann"}
        assert "echo" in session.tools()
        assert list(session.stream("count", n=2)) == [0, 1]
    assert sessions.get(session.session_id) is None


def test_an_explicit_session_outlives_its_user(served: Served, client: Client) -> None:
    mine = client.session("mine")
    assert mine.call("whoami")["session"] == "mine"
    assert served.server.service.sessions.get("mine") is not None
    mine.close()
    assert served.server.service.sessions.get("mine") is None


def test_listing_tools_leaves_no_session(served: Served, client: Client) -> None:
    before = len(served.server.service.sessions)
    client.tools()
    assert len(served.server.service.sessions) == before


# --- streams --------------------------------------------------------------------------------------


def test_a_stream_gives_values_and_chunks_give_all(client: Client) -> None:
    assert list(client.stream("count", n=3)) == [0, 1, 2]
    chunks = list(client.chunks("count", n=2))
    assert [(c.data, c.is_final, c.empty) for c in chunks] == [
        (0, False, False), (1, False, False), (None, True, True)
    ]  # fmt: skip
    assert chunks[0].metadata == {"i": "0"}
    assert [c.is_final for c in client.chunks("count", n=2, mark=True)] == [False, True]


def test_arrays_in_a_stream(client: Client) -> None:
    small, large = client.stream("arrays")
    assert (small.dtype.str, small.tolist()) == ("<i2", [1, 2])
    assert large.shape == (100, 100)
    assert not large.flags.writeable


@pytest.mark.parametrize("method", ["stream", "chunks"])
def test_closing_a_stream_cancels_the_call(client: Client, method: str) -> None:
    with closing(getattr(client, method)("endless")) as stream:
        next(stream)
        next(stream)
    assert MEETING.ended.wait(WAIT)


def test_an_error_in_mid_stream_comes_after_the_chunks(client: Client) -> None:
    stream = client.stream("broken")
    assert next(stream) == 1
    with pytest.raises(ToolError) as caught:
        next(stream)
    assert (caught.value.type, caught.value.message) == ("ValueError", "half-way")


def test_a_stream_of_no_such_tool(client: Client) -> None:
    with pytest.raises(ToolError, match="ToolNotFoundError"):
        list(client.stream("nothing"))


# --- errors ---------------------------------------------------------------------------------------


def test_a_tools_error_has_all_that_the_server_says(client: Client) -> None:
    with pytest.raises(ToolError) as caught:
        client.call("fail", message="no key")
    error = caught.value
    assert (error.type, error.message) == ("KeyError", "'no key'")
    assert error.stacktrace[-1] == "KeyError: 'no key'"
    assert error.context["tool_name"] == "fail"
    assert str(error) == "KeyError: 'no key'"


def test_a_deadline_ends_the_call_here_and_there(client: Client) -> None:
    with pytest.raises(DeadlineExceededError) as caught:
        client.call("until_cancelled", timeout=1.0)
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
    assert isinstance(caught.value, TimeoutError)
    assert MEETING.ended.wait(WAIT)
    with pytest.raises(DeadlineExceededError):
        list(client.stream("endless", timeout=0.05))


def test_the_clients_timeout_stands_in_and_none_waits(served: Served) -> None:
    with Client(served.address, timeout=0.05) as client:
        with pytest.raises(DeadlineExceededError):
            client.call("until_cancelled")
        MEETING.release.set()
        assert client.call("block", value=1, timeout=None) == 1


def test_closing_the_client_ends_its_calls(served: Served) -> None:
    client = Client(served.address, retry=QUICK)
    failures: list[ClientError] = []

    def call() -> None:
        try:
            client.call("until_cancelled", idempotent=True)
        except ClientError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert MEETING.entered.acquire(timeout=WAIT)
    client.close()
    thread.join(WAIT)
    assert isinstance(failures[0], UnavailableError)
    with pytest.raises(UnavailableError, match="closed"):
        client.call("echo")
    client.close()


def test_nobody_listens() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        with Client(address, retry=NO_RETRIES) as client:
            for attempt in (client.tools, client.ping, lambda: client.call("echo")):
                with pytest.raises(UnavailableError) as caught:
                    attempt()
                assert not caught.value.reached
                assert caught.value.address == address


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        Client("nowhere")
    with pytest.raises(ValueError, match="timeout=0"):
        Client(timeout=0)


# --- threads and restarts -------------------------------------------------------------------------


def test_many_threads_share_one_client(client: Client) -> None:
    wrong: list[object] = []

    def work(n: int) -> None:
        for i in range(25):
            value = {"n": n, "i": i}
            if client.call("echo", value=value) != value:
                wrong.append(value)
            if list(client.stream("count", n=3)) != [0, 1, 2]:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)


def test_it_connects_again_after_the_server_restarted(own: Served) -> None:
    with Client(own.address, timeout=WAIT, retry=NO_RETRIES) as client:
        assert client.call("echo", value=1) == 1
        own.stop()
        with pytest.raises(UnavailableError):
            client.call("echo", value=2)
        own.restart()
        assert client.call("echo", value=3) == 3


@pytest.mark.parametrize("known", [True, False], ids=["known", "asked once it is back"])
def test_a_tool_marked_idempotent_is_tried_until_the_server_is_back(
    own: Served, known: bool
) -> None:
    with Client(own.address, timeout=WAIT, retry=QUICK) as client:
        if known:
            client.tools()
        own.stop()
        results: list[object] = []
        thread = threading.Thread(target=lambda: results.append(client.call("echo", value=7)))
        thread.start()
        own.restart()
        thread.join(WAIT)
        assert results == [7]


# --- retries, scripted ----------------------------------------------------------------------------


class Script:
    """A channel whose answers are given: a status that it raises, or a value."""

    def __init__(self, *answers: StatusCode | int, tools: tuple[str, ...] = ("echo",)) -> None:
        self.answers = iter(answers)
        self.tools = tools
        self.executed = 0

    def __call__(self, target: str, **_options: object) -> Script:
        return self

    def unary(self, path: str, request: bytes, **_options: object) -> bytes:
        if path.endswith("CleanupSession"):
            return b""
        if path.endswith("InitializeSession"):
            spec = messages.ToolSpec(name="echo", metadata={"idempotent": "true"})
            tools = {"echo": spec, "fail": messages.ToolSpec(name="fail")}
            return messages.InitializeSessionResponse(
                success=True, available_tools={n: tools[n] for n in self.tools}
            ).encode()
        self.executed += 1
        answer = next(self.answers)
        if isinstance(answer, StatusCode):
            raise RpcError(answer, "scripted")
        response = messages.ExecuteToolResponse(success=True, result=encode_value(answer))
        return response.encode()

    def close(self) -> None:
        pass


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    clients: list[Client] = []

    def make(script: Script, **options: Any) -> Client:
        monkeypatch.setattr("ftbridge.client.sync.Channel", script)
        clients.append(Client("127.0.0.1:1", **{"retry": QUICK, **options}))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


DOWN = StatusCode.UNAVAILABLE


def test_an_idempotent_tool_is_tried_again(scripted: Any) -> None:
    script = Script(DOWN, DOWN, 5)
    assert scripted(script).call("echo") == 5
    assert script.executed == 3


@pytest.mark.parametrize("tool", ["fail", "unknown"])
def test_other_tools_are_not(scripted: Any, tool: str) -> None:
    script = Script(DOWN, 5, tools=("echo", "fail"))
    with pytest.raises(UnavailableError):
        scripted(script).call(tool)
    assert script.executed == 1


def test_the_call_may_say_so_itself(scripted: Any) -> None:
    assert scripted(Script(DOWN, 5, tools=("fail",))).call("fail", idempotent=True) == 5
    script = Script(DOWN, 5)
    with pytest.raises(UnavailableError):
        scripted(script).call("echo", idempotent=False)
    assert script.executed == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (StatusCode.RESOURCE_EXHAUSTED, CallError),
        (StatusCode.DEADLINE_EXCEEDED, DeadlineExceededError),
        (StatusCode.CANCELLED, CallCancelledError),
        (StatusCode.UNIMPLEMENTED, ForeignServerError),
    ],
)
def test_only_unavailable_is_tried_again(
    scripted: Any, status: StatusCode, kind: type[ClientError]
) -> None:
    for script in (Script(status, 5), Script(DOWN, status, 5)):
        with pytest.raises(kind, match="scripted"):
            scripted(script).call("echo", idempotent=True)
        assert next(script.answers) == 5


def test_attempts_are_counted(scripted: Any) -> None:
    script = Script(*[DOWN] * 10)
    policy = RetryPolicy(attempts=3, first_pause=0.0)
    with pytest.raises(UnavailableError):
        scripted(script, retry=policy).call("echo", idempotent=True)
    assert script.executed == 3


def test_the_deadline_holds_for_all_attempts_together(scripted: Any) -> None:
    policy = RetryPolicy(attempts=1000, first_pause=60.0, longest_pause=60.0)
    with pytest.raises(DeadlineExceededError):
        scripted(Script(*[DOWN] * 10), retry=policy).call("echo", idempotent=True, timeout=0.05)


def test_closing_the_client_ends_a_pause(scripted: Any) -> None:
    policy = RetryPolicy(attempts=10, first_pause=3600.0, longest_pause=3600.0)
    script = Script(*[DOWN] * 10)
    client = scripted(script, retry=policy)
    failures: list[BaseException] = []

    def call() -> None:
        try:
            client.call("echo", idempotent=True)
        except ClientError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(lambda: script.executed == 1)
    client.close()
    thread.join(WAIT)
    assert isinstance(failures[0], UnavailableError)
