"""Words of the command line into values."""

from __future__ import annotations

from typing import Any

import click
import pytest

from ftbridge.cli.arguments import address, parse_value, reachable, tool_arguments
from ftbridge.rpc import parse_address


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-2.5", -2.5),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ('{"a": 1}', {"a": 1}),
        ('"3"', "3"),
        ("ann", "ann"),
        ("", ""),
        ("01", "01"),
        ("True", "True"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_json_where_it_parses_and_else_a_string(text: str, value: object) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_words_and_a_document_together() -> None:
    assert tool_arguments(["b=2", "c=x=y"], '{"a": [1]}') == {"a": [1], "b": 2, "c": "x=y"}
    assert tool_arguments([], None) == {}


@pytest.mark.parametrize(
    ("words", "document", "says"),
    [
        (["limit"], None, "'limit' is not key=value"),
        (["=3"], None, "'=3' is not key=value"),
        (["a=1", "a=2"], None, "'a' is given twice"),
        (["a=1"], '{"a": 2}', "'a' is given twice"),
        ([], "{", "--json is not JSON"),
        ([], "[1]", "not an array"),
        ([], "3", "not a number"),
        ([], "null", "not null"),
    ],
)
def test_bad_arguments_are_usage_errors(words: list[str], document: str | None, says: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        tool_arguments(words, document)
    assert says in caught.value.message
    assert caught.value.exit_code == 2


def read(text: str) -> Any:
    context = click.Context(click.Command("x"))
    return address(context, click.Option(["--address"]), text)


def test_an_address_is_the_transports() -> None:
    assert read("127.0.0.1:50051") == parse_address("127.0.0.1:50051")
    with pytest.raises(click.BadParameter, match="nonsense"):
        read("nonsense")


@pytest.mark.parametrize(
    ("listen", "client"),
    [
        ("127.0.0.1:0", "127.0.0.1:7"),
        ("0.0.0.0:0", "127.0.0.1:7"),
        (":0", "127.0.0.1:7"),
        ("[::]:0", "[::1]:7"),
        ("[::1]:0", "[::1]:7"),
        ("localhost:0", "localhost:7"),
        ("unix:/tmp/s", "unix:/tmp/s"),
    ],
)
def test_where_a_client_finds_a_listener(listen: str, client: str) -> None:
    assert str(reachable(parse_address(listen), 7)) == client
