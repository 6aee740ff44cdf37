"""The complete adapter of the guide, tool by tool."""

import json

import pytest
from guide.harness import block, served

LEFT_OUT = """
LOADED = []


class Model:
    def predict(self, features):
        return features * 2


class Served(ExampleAdapter):
    def load_model(self):
        LOADED.append(self)
        return Model()

    def process_data(self, data):
        return sorted(data)

    @tool
    def loads(self):
        return len(LOADED)
"""


@pytest.fixture
def stored():
    return []


@pytest.fixture
def client(tmp_path, stored):
    def validate(data: dict[str, object]) -> dict[str, bool]:
        return {"valid": bool(data)}

    def store_result(result: list[str]) -> None:
        stored.append(result)

    parts = (block("complete_example.py"), LEFT_OUT)
    options = {"host_tools": (validate, store_result), "serialize": True}
    with served(tmp_path, "Served", *parts, **options) as (client, _):
        yield client


def test_echo_and_add(client):
    assert client.call("echo", message="hi") == "Echo: hi"
    assert client.call("add", a=1, b=2) == 3.0


def test_predict_with_a_telemetry_span_and_a_model_loaded_once(client):
    for _ in range(2):
        found = client.call("predict", input_data={"features": [1.5, 2]})
        assert found == {"prediction": [3.0, 4.0]}
    assert client.call("loads") == 1


def test_dicts_as_chunks(client):
    found = client.stream("process_with_progress", items=2)
    assert [(json.loads(chunk.data), chunk.is_final) for chunk in found] == [
        ({"item": 1, "progress": 50.0}, False),
        ({"item": 2, "progress": 100.0}, True),
    ]


def test_validate_and_process(client, stored):
    found = client.call("validate_and_process", data={"b": 1, "a": 2})
    assert found == {"success": True, "result": ["a", "b"]}
    assert client.call("validate_and_process", data={}) == {"error": "Validation failed"}
    assert stored == [["a", "b"]]
