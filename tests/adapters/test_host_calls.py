from __future__ import annotations

from typing import Any

import pytest

from ftbridge.adapters.host_access import HostToolArgumentError, HostUnavailableError
from ftbridge.adapters.host_calls import BoundHostTool, HostToolsView, read_call


def described(name: str, *parameters: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": "",
        "parameters": {parameter: {"type": "any", "required": True} for parameter in parameters},
    }


TOOLS = {
    "free": described("free"),
    "store": described("store", "value", "unit"),
    "takes_input": described("takes_input", "input"),
    "takes_options": described("takes_options", "options"),
}


def read(name: str, arguments: Any = None, /, *, loaded: Any = TOOLS, **named: Any) -> Any:
    def load() -> Any:
        raise AssertionError("the list was loaded")

    return read_call(name, arguments, named, loaded=loaded, load=load)


@pytest.mark.parametrize(
    ("arguments", "named", "sent"),
    [
        (None, {}, {}),
        (None, {"value": 1, "unit": "m"}, {"value": 1, "unit": "m"}),
        ({"value": 1, "unit": "m"}, {}, {"value": 1, "unit": "m"}),
        ({"value": 1}, {"unit": "m"}, {"value": 1, "unit": "m"}),
        # Nothing is special in the dict.
        ({"options": {"timeout": 5}, "input": {"value": 1}}, {}, None),
        ({}, {"input": {"value": 1}}, None),
        # `input` among others is an argument, and so is one that does not fit the parameters.
        (None, {"input": {"value": 1}, "unit": "m"}, None),
        (None, {"input": {"other": 1}}, None),
        (None, {"input": [1]}, None),
    ],
)
def test_arguments_as_they_are_sent(arguments, named, sent):
    expected = {**(arguments or {}), **named} if sent is None else sent
    assert read("store", arguments, **named) == (expected, None)


def test_input_is_spread_over_declared_parameters():
    assert read("store", input={"value": 1}) == ({"value": 1}, None)
    assert read("takes_input", input={"input": 1}) == ({"input": {"input": 1}}, None)
    assert read("free", input={"value": 1}) == ({"input": {"value": 1}}, None)
    assert read("unlisted", input={"value": 1}) == ({"input": {"value": 1}}, None)


def test_the_list_is_loaded_only_to_decide_about_input():
    read("store", loaded=None, value=1, options={"timeout": 5})
    loads: list[int] = []

    def load() -> Any:
        loads.append(1)
        return TOOLS

    sent, _ = read_call("store", None, {"input": {"unit": "m"}}, loaded=None, load=load)
    assert (sent, loads) == ({"unit": "m"}, [1])


def test_a_list_that_cannot_be_loaded_leaves_input_an_argument():
    def load() -> Any:
        raise HostUnavailableError("away")

    sent, _ = read_call("store", None, {"input": {"unit": "m"}}, loaded=None, load=load)
    assert sent == {"input": {"unit": "m"}}


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({"timeout": 5000}, 5.0),
        ({"timeout": 2.5}, 0.0025),
        ({"timeout": None}, None),
        ({"timeout": "infinity"}, None),
        ({"timeout": float("inf")}, None),
        ({}, None),
    ],
)
def test_options_set_the_limit_and_are_not_sent(options, seconds):
    assert read("store", input={"value": 1}, options=options) == ({"value": 1}, seconds)


@pytest.mark.parametrize("options", [{"timeout": 5, "depth": 3}, {"depth": 3}, 7])
def test_other_options_are_an_argument(options):
    assert read("store", options=options) == ({"options": options}, None)


def test_a_tool_with_a_parameter_called_options_gets_it():
    assert read("takes_options", options={"timeout": 5}) == ({"options": {"timeout": 5}}, None)


@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("nan")])
def test_limits_that_are_none(timeout):
    with pytest.raises(HostToolArgumentError, match="milliseconds"):
        read("store", options={"timeout": timeout})


@pytest.mark.parametrize("arguments", [3, "text", [("a", 1)], {1: 2}])
def test_the_second_place_is_for_a_dict(arguments):
    with pytest.raises(HostToolArgumentError, match="a dict of all arguments"):
        read("store", arguments)


def test_an_argument_given_twice():
    with pytest.raises(HostToolArgumentError, match="'value' given both"):
        read("store", {"value": 1}, value=2)


@pytest.mark.parametrize("name", ["", None, 3])
def test_names_that_are_none(name):
    with pytest.raises(HostToolArgumentError, match="not a text"):
        read(name)


def test_the_view_is_a_mapping_of_callable_descriptions():
    calls: list[Any] = []

    def call(name: str, arguments: Any = None, /, **named: Any) -> str:
        calls.append((name, arguments, named))
        return "result"

    view = HostToolsView(TOOLS, call)
    assert ("store" in view, "other" in view, len(view)) == (True, False, 4)
    assert list(view) == list(TOOLS)
    assert view["store"] == TOOLS["store"]
    assert isinstance(view["store"], BoundHostTool)
    assert dict(view) == TOOLS
    assert view["store"]({"value": 1}, unit="m") == "result"
    assert calls == [("store", {"value": 1}, {"unit": "m"})]
    assert repr(HostToolsView({}, call)) == "<host tools: none>"
    with pytest.raises(KeyError):
        view["other"]
