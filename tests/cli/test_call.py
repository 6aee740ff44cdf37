"""`ftbridge call`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result

from ftbridge.rpc import RpcError, StatusCode
from tests.cli.fake_bridge import FakeBridge, spec

Run = Callable[..., Result]


@pytest.fixture
def tools(bridge: FakeBridge) -> FakeBridge:
    bridge.add(spec("echo"), lambda arguments: arguments)
    bridge.add(spec("count", supports_streaming=True), lambda arguments: "unary")
    bridge.chunks["count"] = lambda: iter(
        [{"n": 1, "progress": 50}, {"n": 2, "progress": 100}, b""]
    )
    return bridge


def test_words_become_arguments_and_the_result_json(tools: FakeBridge, ftbridge: Run) -> None:
    result = ftbridge("call", "echo", "n=3", "name=ann", 'tags=["é"]', "--json", '{"deep": null}')
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"deep": None, "n": 3, "name": "ann", "tags": ["é"]}
    assert result.stdout.count("\n") == 1
    assert tools.calls[0][2] is None
    assert tools.closed


def test_a_timeout_reaches_the_call(tools: FakeBridge, ftbridge: Run) -> None:
    ftbridge("call", "echo", "--timeout", "1.5")
    sent = tools.calls[0][2]
    assert sent is not None
    assert 1.0 < sent <= 1.5  # what was left of it when it was sent


@pytest.mark.parametrize("arguments", [["n"], ["--json", "["], ["--timeout", "0"], ["a=1", "a=2"]])
def test_usage_errors_end_with_2_before_anything_is_sent(
    tools: FakeBridge, ftbridge: Run, arguments: list[str]
) -> None:
    assert ftbridge("call", "echo", *arguments).exit_code == 2
    assert tools.paths == []


def test_a_stream_is_a_document_a_line_without_the_bare_final_chunk(
    tools: FakeBridge, ftbridge: Run
) -> None:
    result = ftbridge("call", "count", "--stream")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["n"] for line in result.stdout.splitlines()] == [1, 2]
    assert result.stderr == ""
    assert tools.cancelled_streams == 0


def test_a_tool_that_streams_is_streamed_unless_told_otherwise(
    tools: FakeBridge, ftbridge: Run
) -> None:
    assert len(ftbridge("call", "count").stdout.splitlines()) == 2
    assert "ExecuteStreamingTool" in tools.paths
    assert json.loads(ftbridge("call", "count", "--no-stream").stdout) == "unary"


def test_chunks_are_printed_as_they_arrive(
    tools: FakeBridge, ftbridge: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Any] = []

    def chunks() -> Iterator[Any]:
        for n in range(3):
            events.append(("made", n))
            yield n

    monkeypatch.setattr("ftbridge.cli.call.print_line", lambda v: events.append(("printed", v)))
    tools.chunks["count"] = chunks
    ftbridge("call", "count")
    assert events == [(what, n) for n in range(3) for what in ("made", "printed")]


def test_bytes_keep_their_content(tools: FakeBridge, ftbridge: Run) -> None:
    tools.chunks["count"] = lambda: iter([b"\x00\xff"])
    assert json.loads(ftbridge("call", "count").stdout) == {"base64": "AP8="}


def test_a_tools_error_goes_to_stderr_with_type_and_message(
    tools: FakeBridge, ftbridge: Run
) -> None:
    tools.tool_failure = json.dumps(
        {"type": "ValueError", "message": "n is odd", "stacktrace": ["File x", "ValueError"]}
    )
    result = ftbridge("call", "echo")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "error: ValueError: n is odd\n"
    assert "File x" in ftbridge("call", "echo", "--traceback").stderr


def test_a_plain_error_message_is_shown_as_it_is(tools: FakeBridge, ftbridge: Run) -> None:
    tools.tool_failure = "out of cheese"
    assert ftbridge("call", "echo").stderr == "error: ToolError: out of cheese\n"


def test_a_streams_error_comes_after_its_chunks(tools: FakeBridge, ftbridge: Run) -> None:
    def chunks() -> Iterator[Any]:
        yield 1
        raise RpcError(
            StatusCode.INTERNAL, json.dumps({"type": "KeyError", "message": "'x'", "context": {}})
        )

    tools.chunks["count"] = chunks
    result = ftbridge("call", "count")
    assert result.exit_code == 1
    assert result.stdout == "1\n"
    assert result.stderr == "error: KeyError: 'x'\n"


def test_a_lost_connection_is_not_called_unreachable(tools: FakeBridge, ftbridge: Run) -> None:
    def chunks() -> Iterator[Any]:
        yield 1
        raise RpcError(StatusCode.UNAVAILABLE, "connection lost")

    tools.chunks["count"] = chunks
    result = ftbridge("call", "count")
    assert result.stderr == "error: UNAVAILABLE: connection lost\n"


def test_an_unknown_tool_gets_the_nearest_name(tools: FakeBridge, ftbridge: Run) -> None:
    result = ftbridge("call", "ecko")
    assert result.exit_code == 1
    assert "did you mean 'echo'?" in result.stderr
    assert "the server offers: count, echo" in ftbridge("call", "zzz").stderr


def test_ctrl_c_cancels_and_ends_with_130(tools: FakeBridge, ftbridge: Run) -> None:
    def chunks() -> Iterator[Any]:
        yield 1
        raise KeyboardInterrupt

    tools.chunks["count"] = chunks
    result = ftbridge("call", "count")
    assert result.exit_code == 130
    assert result.stdout == "1\n"
    assert tools.cancelled_streams == 1
    assert tools.closed
    assert "CleanupSession" not in tools.paths  # nobody waits for a farewell


def test_without_a_tool_there_is_help(ftbridge: Run) -> None:
    result = ftbridge("call")
    assert result.exit_code == 2
    assert "Usage:" in result.output
