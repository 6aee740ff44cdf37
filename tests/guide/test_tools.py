"""Creating an adapter, declaring tools, the life of a request."""

import json

import pytest
from guide.harness import SESSION, block, served

IMPORTS = "from snakepit_bridge.base_adapter import BaseAdapter, tool\n"


def test_base_adapter_inheritance(tmp_path):
    """The class as it is; the tool that asks for what the framework injected is the test's."""
    asking = """
class Asking(MyAdapter):
    @tool
    def ask(self):
        return self.session_context.session_id, self.session_id, type(self).__mro__[1].__doc__
"""
    with served(
        tmp_path, "Asking", block("base_adapter_inheritance.py"), asking, serialize=True
    ) as (client, _):
        assert client.call("ask") == [SESSION, SESSION, "Custom adapter implementing Python tools."]


@pytest.fixture
def tool_decorator(tmp_path):
    with served(tmp_path, "MyAdapter", IMPORTS, block("tool_decorator.py"), serialize=True) as (
        client,
        _,
    ):
        yield client


def test_the_tool_decorator_publishes_what_it_was_told(tool_decorator):
    tools = tool_decorator.tools()
    assert sorted(tools) == ["add", "search"]
    add, search = tools["add"], tools["search"]
    assert (add.description, add.supports_streaming) == ("Add two numbers together", False)
    assert (search.description, search.supports_streaming) == ("Search for items", True)
    assert [(p.name, p.type, p.required) for p in add.parameters] == [
        ("a", "float", True),
        ("b", "float", True),
    ]
    assert [(p.name, p.type, p.required) for p in search.parameters] == [
        ("query", "string", True),
        ("limit", "integer", False),
    ]
    assert json.loads(search.parameters[1].validation_json) == {"default": 10}
    assert search.metadata["required_variables"] == "api_key"


def test_the_tool_decorator_makes_tools_that_can_be_called(tool_decorator, monkeypatch):
    monkeypatch.delenv("api_key", raising=False)
    assert tool_decorator.call("add", a=2, b=0.5) == 2.5
    found = {"results": [], "query": "x"}
    assert tool_decorator.call("search", query="x", metadata={"api_key": "k"}) == found
    [chunk] = tool_decorator.stream("search", query="x", metadata={"api_key": "k"})[:1]
    assert json.loads(chunk.data) == found


def test_a_required_variable_that_is_missing_is_named(tool_decorator, monkeypatch):
    monkeypatch.delenv("api_key", raising=False)
    response = tool_decorator.response("search", query="x")
    assert not response.success
    assert "'api_key'" in json.loads(response.error_message)["message"]
    monkeypatch.setenv("api_key", "k")
    assert tool_decorator.call("search", query="x")["query"] == "x"


def test_per_request_lifecycle(tmp_path):
    left_out = """
LOADED, INSTANCES, CLEANED = [], [], []


class Model:
    def __init__(self, name):
        self.name = name


def load_model(name):
    LOADED.append(name)
    return Model(name)
"""
    tools = """
class Served(MLAdapter):
    def cleanup(self):
        super().cleanup()
        CLEANED.append(self)

    @tool
    def model_name(self, fail: bool = False):
        INSTANCES.append(self)
        if fail:
            raise ValueError("asked to")
        return self.model.name

    @tool
    def history(self):
        return len(LOADED), len(set(map(id, INSTANCES))), CLEANED == INSTANCES
"""
    parts = (IMPORTS, left_out, block("per_request_lifecycle.py"), tools)
    with served(tmp_path, "Served", *parts, serialize=True) as (client, _):
        assert client.call("model_name") == "my-model"
        assert not client.response("model_name", fail=True).success
        assert client.call("model_name") == "my-model"
        # Loaded once, an instance for each request, each of them cleaned up, also after the error.
        assert client.call("history") == [1, 3, True]
