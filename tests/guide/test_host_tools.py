"""Calls from a tool to its host, and what the host says it offers."""

import json

import pytest
from guide.harness import block, served

AROUND = """from snakepit_bridge.base_adapter import BaseAdapter, tool


class Fragment(BaseAdapter):
"""


def validate_data(name: str, age: int) -> dict[str, object]:
    """Say whether a person is grown up."""
    return {"name": name, "valid": age >= 18}


@pytest.fixture
def backend(tmp_path):
    parts = (AROUND, block("call_elixir_tool.py", 4))
    options = {"host_tools": (validate_data,), "serialize": True}
    with served(tmp_path, "Fragment", *parts, **options) as (client, _):
        yield client


def test_call_elixir_tool_with_input_and_options(backend):
    found = backend.call(
        "call_backend_tool", operation="validate_data", data={"name": "ann", "age": 30}
    )
    assert found == {"name": "ann", "valid": True}


def test_a_tool_that_the_host_has_not_is_the_guides_own_error(backend):
    response = backend.response("call_backend_tool", operation="nothing", data={})
    error = json.loads(response.error_message)
    assert (error["type"], error["message"]) == ("ValueError", "Tool 'nothing' not found")


def test_the_elixir_tools_proxy(tmp_path):
    method = "    @tool\n    def listed(self):\n"
    after = "        return {name: dict(tool) for name, tool in available_tools.items()}\n"
    parts = (AROUND, method + block("elixir_tools_proxy.py", 8) + after)
    options = {"host_tools": (validate_data,), "serialize": True}
    with served(tmp_path, "Fragment", *parts, **options) as (client, _):
        tools = client.call("listed")
    assert list(tools) == ["validate_data"]
    described = tools["validate_data"]
    assert described["name"] == "validate_data"
    assert described["description"] == "Say whether a person is grown up."
    assert list(described["parameters"]) == ["name", "age"]


def test_python_calling_elixir_tools(tmp_path):
    seen = []

    def validate_schema(data: dict[str, object], schema_name: str) -> dict[str, object]:
        seen.append(schema_name)
        errors = [] if "name" in data else ["name is missing"]
        return {"valid": not errors, "errors": errors}

    left_out = """
    def process_data(self, data):
        return data["name"].upper()
"""
    parts = (AROUND, block("process_with_validation.py", 4), left_out)
    options = {"host_tools": (validate_schema,), "serialize": True}
    with served(tmp_path, "Fragment", *parts, **options) as (client, _):
        good = client.call("process_with_validation", data={"name": "ann"})
        bad = client.call("process_with_validation", data={})
    assert good == {"success": True, "result": "ANN"}
    assert bad == {"error": "Validation failed", "details": ["name is missing"]}
    assert seen == ["user_input"] * 2


def test_the_complete_workflow(tmp_path):
    stored = []

    def validate_input(data: dict[str, object]) -> dict[str, bool]:
        return {"valid": "features" in data}

    def store_predictions(predictions: list[float]) -> dict[str, int]:
        stored.append(predictions)
        return {"id": len(stored)}

    before = "import numpy as np\nfrom snakepit_bridge.base_adapter import BaseAdapter, tool\n"
    left_out = """
class Model:
    def predict(self, features):
        return np.asarray(features) * 2.0


class Served(MLPipelineAdapter):
    def initialize(self):
        self.model = Model()
"""
    parts = (before, block("ml_pipeline.py"), left_out)
    options = {"host_tools": (validate_input, store_predictions), "serialize": True}
    with served(tmp_path, "Served", *parts, **options) as (client, _):
        good = client.call("run_pipeline", input_data={"features": [1, 2.5]})
        bad = client.call("run_pipeline", input_data={})
    assert good == {"success": True, "prediction_id": 1}
    assert bad == {"error": "Invalid input"}
    assert stored == [[2.0, 5.0]]
