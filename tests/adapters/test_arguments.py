"""Argument checks: before the tool runs, and all problems at once."""

import pytest

from ftbridge import BaseAdapter, tool
from ftbridge.adapters.arguments import ArgumentChecker
from ftbridge.adapters.errors import ToolArgumentError
from ftbridge.adapters.tools import collect_tools


class Sums(BaseAdapter):
    @tool
    def add(self, a: float, b: float, c: float, scale: int = 1): ...

    @tool
    def anything(self, first: str, **rest): ...

    @tool
    def nothing(self): ...


CHECKS = {name: ArgumentChecker(t.info).check for name, t in collect_tools(Sums).items()}


def test_what_fits_is_the_same_dict():
    arguments = {"a": 1.0, "b": 2.0, "c": 3.0}
    assert CHECKS["add"](arguments) is arguments


def test_a_conversion_leaves_the_callers_dict_alone():
    arguments = {"a": 1, "b": 2, "c": 3.0}
    assert CHECKS["add"](arguments) == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert type(arguments["a"]) is int


def test_all_problems_are_named_at_once():
    with pytest.raises(ToolArgumentError) as caught:
        CHECKS["add"]({"a": "one", "scale": 1.5, "d": 1, "e": 2})

    error = caught.value
    assert error.tool_name == "add"
    assert error.missing == ("b", "c")
    assert error.unknown == ("d", "e")
    assert [(m.name, m.expected, m.got) for m in error.mistyped] == [
        ("a", "a number", "str"),
        ("scale", "an integer", "float"),
    ]
    assert str(error) == (
        "Tool 'add': missing 'b', 'c'; unknown 'd', 'e'; 'a' must be a number, got str; "
        "'scale' must be an integer, got float. "
        "It takes: a: float, b: float, c: float, scale: integer (optional)"
    )


def test_one_unknown_argument_is_enough():
    with pytest.raises(ToolArgumentError, match=r"unknown 'x'\. It takes: no parameters"):
        CHECKS["nothing"]({"x": 1})


def test_keyword_rest_takes_any_name_but_still_wants_what_is_required():
    arguments = {"first": "x", "other": object()}
    assert CHECKS["anything"](arguments) is arguments
    with pytest.raises(ToolArgumentError, match="missing 'first'") as caught:
        CHECKS["anything"]({"other": 1})
    assert caught.value.unknown == ()
