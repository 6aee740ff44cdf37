from __future__ import annotations

import json

import pytest

from ftbridge.bridge.host_values import description_of, from_argument, from_result, to_argument
from ftbridge.wire import messages as m
from ftbridge.wire.values import encode_value


@pytest.mark.parametrize(
    "value",
    [
        "text",
        "",
        "{",
        'a "quote"',
        1,
        2**60,
        1.5,
        True,
        None,
        [1, None],
        {"a": {"b": []}},
        "\u00e9",
    ],
)
def test_every_argument_is_json_bytes(value):
    sent = to_argument(value)
    assert json.loads(sent.value) == value
    assert from_argument(sent) == value


@pytest.mark.parametrize("value", [b"", b"\x00\xff", bytearray(b"ab"), memoryview(b"ab")])
def test_bytes_go_as_the_host_itself_hands_them_on(value):
    sent = to_argument(value)
    assert list(json.loads(sent.value)) == ["raw_data_base64"]
    assert from_argument(sent) == bytes(value)


def test_bytes_inside_containers_are_not_lost():
    value = {"parts": [b"a", {"more": b"\x00"}], "n": 1}
    assert from_argument(to_argument(value)) == value
    assert from_argument(to_argument((b"a", 1))) == [b"a", 1]


def test_cycles_and_depth_are_the_encoders_affair():
    loop: list[object] = [b"a"]
    loop.append(loop)
    assert b"__ffi_unserializable__" in to_argument(loop).value
    deep: object = 1
    for _ in range(1000):
        deep = [deep]
    assert b"__ffi_unserializable__" in to_argument(deep).value


@pytest.mark.parametrize(
    "value", [{"raw_data_base64": "no base64!"}, {"raw_data_base64": "AA==", "more": 1}]
)
def test_a_map_that_only_looks_like_bytes(value):
    assert from_argument(to_argument(value)) == value


def result(text: bytes | None, binary: bytes = b"") -> m.ExecuteElixirToolResponse:
    return m.ExecuteElixirToolResponse(
        success=True,
        result=None if text is None else m.Any(type_url="x/StringValue", value=text),
        binary_result=binary,
    )


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (result(b'{"id": 7}'), {"id": 7}),
        (result(b"null"), None),
        (result(None), None),
        (result(b"#PID<0.1.0>"), "#PID<0.1.0>"),
        (result(b"\xff"), "\ufffd"),
        (result(None, b"\x00\x01"), b"\x00\x01"),
    ],
)
def test_results(answer, value):
    assert from_result(answer) == value


def test_descriptions_hold_what_was_declared():
    spec = m.ToolSpec(
        name="store",
        description="Keep it.",
        parameters=[
            m.ParameterSpec(name="value", required=True),
            m.ParameterSpec(
                name="unit", type="string", description="Of it.", default_value=encode_value("m")
            ),
            m.ParameterSpec(name="odd", default_value=m.Any(type_url="x", value=b"{")),
        ],
    )
    assert description_of(spec) == {
        "name": "store",
        "description": "Keep it.",
        "parameters": {
            "value": {"type": "any", "required": True},
            "unit": {
                "type": "string",
                "required": False,
                "description": "Of it.",
                "default": "m",
            },
            "odd": {"type": "any", "required": False},
        },
    }
