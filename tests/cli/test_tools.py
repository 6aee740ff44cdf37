"""`ftbridge tools`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from ftbridge.cli.tools import signature
from ftbridge.rpc import RpcError, StatusCode
from ftbridge.wire import messages
from ftbridge.wire.values import encode_value
from tests.cli.fake_bridge import FakeBridge, spec

Run = Callable[..., Result]


def parameter(name: str, **fields: object) -> messages.ParameterSpec:
    return messages.ParameterSpec(name=name, **fields)  # type: ignore[arg-type]


@pytest.fixture
def search(bridge: FakeBridge) -> FakeBridge:
    bridge.add(
        spec(
            "search",
            parameter("query", type="string", required=True, description="What [to] find"),
            parameter("limit", type="integer", default_value=encode_value(10)),
            description="Find [items]",
            supports_streaming=True,
            metadata={"team": "a"},
        )
    )
    bridge.add(spec("alpha"))
    return bridge


def test_a_table_with_parameters_types_defaults_and_streaming(
    search: FakeBridge, ftbridge: Run
) -> None:
    result = ftbridge("tools")
    assert result.exit_code == 0
    for text in ("search", "query: string", "limit: integer = 10", "yes", "Find [items]", "alpha"):
        assert text in result.stdout
    assert "\x1b" not in result.stdout  # no colours where nobody sees them
    assert search.closed
    assert search.paths[-1] == "CleanupSession"


def test_json(search: FakeBridge, ftbridge: Run) -> None:
    result = ftbridge("tools", "--json")
    alpha, found = json.loads(result.stdout)
    assert alpha["name"] == "alpha"
    assert found == {
        "name": "search",
        "description": "Find [items]",
        "supports_streaming": True,
        "parameters": [
            {
                "name": "query",
                "type": "string",
                "required": True,
                "description": "What [to] find",
            },
            {"name": "limit", "type": "integer", "required": False, "default": 10},
        ],
        "metadata": {"team": "a"},
    }


def test_the_address_is_used_and_comes_from_the_environment_too(
    search: FakeBridge, ftbridge: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ftbridge("tools", "--address", "127.0.0.1:7")
    assert search.target == "127.0.0.1:7"
    monkeypatch.setenv("FTBRIDGE_ADDRESS", "127.0.0.1:8")
    ftbridge("tools")
    assert search.target == "127.0.0.1:8"


def test_an_unreachable_server_is_one_line_with_the_command_to_start_one(
    bridge: FakeBridge, ftbridge: Run
) -> None:
    bridge.failure = RpcError(StatusCode.UNAVAILABLE, "Connection refused")
    result = ftbridge("tools", "--address", "127.0.0.1:7")
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert "no server answers at 127.0.0.1:7" in line
    assert "serve --listen 127.0.0.1:7" in line


def test_a_silent_server_is_unreachable(bridge: FakeBridge, ftbridge: Run) -> None:
    bridge.failure = RpcError(StatusCode.DEADLINE_EXCEEDED, "deadline exceeded")
    result = ftbridge("tools")
    assert result.exit_code == 1
    assert "silent for 10 s" in result.stderr


def test_another_grpc_server_is_told_apart(bridge: FakeBridge, ftbridge: Run) -> None:
    bridge.failure = RpcError(StatusCode.UNIMPLEMENTED, "unknown service")
    result = ftbridge("tools")
    assert result.exit_code == 1
    assert "does not serve snakepit.bridge.BridgeService" in result.stderr


def test_a_bad_address_is_a_usage_error(ftbridge: Run) -> None:
    result = ftbridge("tools", "--address", "nonsense")
    assert result.exit_code == 2
    assert "nonsense" in result.stderr


def test_no_tools(bridge: FakeBridge, ftbridge: Run) -> None:
    assert "offers no tools" in ftbridge("tools").stdout


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"name": "a", "type": "", "required": True}, "a"),
        ({"name": "a", "type": "string", "required": False}, "a: string (optional)"),
        ({"name": "a", "type": "string", "required": False, "default": None}, "a: string = null"),
        ({"name": "a", "type": "string", "required": False, "default": "x"}, 'a: string = "x"'),
    ],
)
def test_a_parameter_as_a_person_reads_it(entry: dict[str, object], text: str) -> None:
    assert signature(entry) == text
