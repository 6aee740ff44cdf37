"""The short ways of requests and results give what the general ways give, for any bytes."""

from __future__ import annotations

from typing import Any as AnyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftbridge.wire import DecodeError
from ftbridge.wire.messages import Any, ExecuteToolRequest, ExecuteToolResponse
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy
from ftbridge.wire.toolcalls import ToolCall, decode_tool_request, encode_tool_result
from ftbridge.wire.values import STRING_VALUE_URL, decode_value, encode_value, to_result

TEXT = st.text(max_size=8)
JSON = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(TEXT, max_size=3)


def read_generally(data: bytes) -> tuple[str, str, dict[str, object], dict[str, str]]:
    """What the generated decoder and the general decoder of values make of the bytes."""
    request = ExecuteToolRequest.decode(data)
    arguments = {name: decode_value(value) for name, value in request.parameters.items()}
    return request.session_id, request.tool_name, arguments, request.metadata


def read(call: ToolCall) -> tuple[str, str, dict[str, object], dict[str, str]]:
    return call.session_id, call.tool_name, call.arguments, call.metadata


def request(**fields: AnyType) -> bytes:
    parameters = {name: encode_value(value) for name, value in fields.pop("arguments", {}).items()}
    return ExecuteToolRequest(parameters=parameters, **fields).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_name": "t"},
        {"session_id": "s", "tool_name": "t", "arguments": {"a": 1, "b": "x", "c": [1, {}]}},
        {"session_id": "s" * 127, "tool_name": "t" * 127, "metadata": {"k": "v", "": ""}},
        {"tool_name": "ü", "arguments": {"": 0, "é": "日本"}, "metadata": {"correlation_id": "c"}},
        {"tool_name": "t", "arguments": {"n": 123456789012345678, "m": -1, "f": 1e300, "t": True}},
        *[{"tool_name": "t", "arguments": {"text": "x" * n}}
        for n in (60, 64, 65, 66, 70, 80, 120, 128, 20_000)],
    ],
)  # fmt: skip
def test_the_common_form_is_read_at_once(fields):
    data = request(**fields)
    call = decode_tool_request(data)
    assert isinstance(call, ToolCall)
    assert read(call) == read_generally(data)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"session_id": "s"},
        {"session_id": "s" * 128, "tool_name": "t"},
        {"tool_name": "t" * 128},
        {"tool_name": "t", "arguments": {"a" * 128: 1}},
        {"tool_name": "t", "metadata": {"k": "v" * 128}},
        {"tool_name": "t", "stream": True},
        {"tool_name": "t", "binary_parameters": {"b": b"\x00"}},
        {"tool_name": "t", "parameters": {"a": Any(type_url="t/snakepit.float", value=b"1")}},
        {"tool_name": "t", "parameters": {"a": Any(type_url=STRING_VALUE_URL, value=b" 1 ")}},
        {"tool_name": "t", "parameters": {"a": Any(type_url=STRING_VALUE_URL, value=b"not json")}},
        {"tool_name": "t", "parameters": {"a": Any(type_url=STRING_VALUE_URL)}},
        {"tool_name": "t", "parameters": {"a": Any()}},
    ],
)
def test_other_forms_go_the_general_way(fields):
    if "parameters" in fields:
        data = ExecuteToolRequest(**fields).encode()
    else:
        data = request(**fields)
    assert decode_tool_request(data) == ExecuteToolRequest.decode(data)


def same(found: tuple[AnyType, ...], expected: tuple[AnyType, ...]) -> bool:
    return repr(found) == repr(expected)  # NaN equals itself here


@settings(max_examples=300)
@given(
    session=TEXT,
    tool=TEXT,
    arguments=st.dictionaries(TEXT, JSON, max_size=3),
    metadata=st.dictionaries(TEXT, TEXT, max_size=2),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
    cut=st.none() | st.integers(0, 400),
)
def test_any_bytes_are_read_as_the_general_way_reads_them(
    session, tool, arguments, metadata, changes, cut
):
    data = bytearray(
        request(session_id=session, tool_name=tool, arguments=arguments, metadata=metadata)
    )
    for at, value in changes:
        if data:
            data[at % len(data)] = value
    octets = bytes(data[:cut])
    try:
        found = decode_tool_request(octets)
    except DecodeError:
        with pytest.raises(DecodeError):
            ExecuteToolRequest.decode(octets)
        return
    if isinstance(found, ToolCall):
        assert same(read(found), read_generally(octets))
    else:
        assert found == ExecuteToolRequest.decode(octets)


RESULTS = JSON | st.dictionaries(TEXT | st.integers(), JSON, max_size=3) | st.binary(max_size=5)


@given(value=RESULTS, milliseconds=st.sampled_from([0, 1, 127, 128, 2**40]))
def test_results_are_encoded_as_the_general_way_encodes_them(value, milliseconds):
    result, binary = to_result(value)
    general = ExecuteToolResponse(
        success=True, result=result, binary_result=binary, execution_time_ms=milliseconds
    )
    assert encode_tool_result(value, DEFAULT_POLICY, milliseconds) == general.encode()


@pytest.mark.parametrize(
    "value",
    ["x" * 40, "x" * 77, "x" * 200, "x" * 20_000, np.zeros(3), np.zeros(9000), b"", object()],
)
@pytest.mark.parametrize("policy", [DEFAULT_POLICY, WirePolicy(snakepit=True)])
def test_long_and_odd_results_too(value, policy):
    result, binary = to_result(value, policy)
    general = ExecuteToolResponse(success=True, result=result, binary_result=binary)
    assert encode_tool_result(value, policy, 0) == general.encode()


def test_the_incumbents_scalars_are_kept():
    answer = ExecuteToolResponse.decode(encode_tool_result(7, WirePolicy(snakepit=True), 0))
    assert answer.result == to_result(7, WirePolicy(snakepit=True))[0]
    assert answer.result.value == b"7.0"
