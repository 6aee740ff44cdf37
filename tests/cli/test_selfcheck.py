"""How a call is written for people to type."""

from __future__ import annotations

import shlex

import pytest

from ftbridge.cli.arguments import tool_arguments
from ftbridge.cli.selfcheck import as_words


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"a": 1, "b": 2.5, "c": True, "d": None},
        {"name": "ann", "text": "two words", "quoted": 'it\'s "so"'},
        {"three": "3", "yes": "true", "empty": "", "list": "[1]"},
        {"list": [1, "x y"], "map": {"k": "v"}},
    ],
)
def test_what_is_typed_is_read_back_as_the_same_arguments(arguments: dict[str, object]) -> None:
    tool, *words = shlex.split(as_words("tool", arguments))
    assert tool == "tool"
    assert tool_arguments(words, None) == arguments
