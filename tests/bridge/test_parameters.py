"""Arguments as requests carry them: JSON, bytes, tensors, pickles."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from ftbridge.bridge.parameters import ParameterError, read_arguments
from ftbridge.wire.messages import ExecuteToolRequest
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy
from ftbridge.wire.values import encode_value, split_arguments

WITH_PICKLE = WirePolicy(allow_pickle=True)


def read(
    binary: dict[str, bytes] | None = None,
    formats: dict[str, str] | None = None,
    policy: WirePolicy = DEFAULT_POLICY,
    **parameters: Any,
) -> dict[str, Any]:
    request = ExecuteToolRequest(
        parameters={name: encode_value(value) for name, value in parameters.items()},
        binary_parameters=binary or {},
        metadata={f"binary_format:{name}": text for name, text in (formats or {}).items()},
    )
    return dict(read_arguments(ExecuteToolRequest.decode(request.encode()), policy))


def test_binary_parameters_win_and_unknown_formats_are_bytes() -> None:
    found = read({"a": b"\0", "b": b"x"}, {"a": "raw", "c": "pickle"}, a=1, d=[2])
    assert found == {"a": b"\0", "b": b"x", "d": [2]}


def test_a_tensor_is_a_read_only_array() -> None:
    data = np.arange(6, dtype="<f4").tobytes()
    array = read({"x": data}, {"x": "tensor;dtype=<f4;shape=2,3"})["x"]
    assert array.dtype == np.float32
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not array.flags.writeable


@pytest.mark.parametrize("tensor_bytes", [0, 10_000], ids=["raw", "json"])
def test_arguments_as_our_client_sends_them(tensor_bytes: int) -> None:
    arguments = {"x": np.array([[1, 2**63 - 1]]), "b": b"\xff", "n": {"k": [None, 1.5]}}
    policy = WirePolicy(tensor_bytes=tensor_bytes)
    parameters, binary, formats = split_arguments(arguments, policy)
    assert ("x" in binary) is (tensor_bytes == 0)
    request = ExecuteToolRequest(parameters=parameters, binary_parameters=binary, metadata=formats)
    found = read_arguments(ExecuteToolRequest.decode(request.encode()), DEFAULT_POLICY)
    array = found.pop("x")
    assert isinstance(array, np.ndarray)
    assert array.tolist() == [[1, 2**63 - 1]]
    assert found == {"b": b"\xff", "n": {"k": [None, 1.5]}}


@pytest.mark.parametrize(
    "layout", ["tensor", "tensor;dtype=O;shape=2", "tensor;dtype=<f4;shape=-1,2"]
)
def test_a_bad_tensor_is_refused_by_name(layout: str) -> None:
    with pytest.raises(ParameterError, match="binary parameter 'x' is no tensor: "):
        read({"x": b"\0" * 8}, {"x": layout})


def test_a_bad_json_tensor_is_refused_by_name() -> None:
    request = ExecuteToolRequest(parameters={"x": encode_value(np.zeros(3))})
    request.parameters["x"].value = request.parameters["x"].value.replace(b"[3]", b"[-3]")
    with pytest.raises(ParameterError, match=r"parameter 'x' cannot be read: .*-3"):
        read_arguments(request, DEFAULT_POLICY)


class Exploit:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import sys; sys.ftbridge_exploited = True",))


def test_pickle_is_refused_and_the_refusal_names_the_flag() -> None:
    import sys

    with pytest.raises(ParameterError, match=r"'x' is marked as pickle.*--allow-pickle"):
        read({"x": pickle.dumps(Exploit())}, {"x": "pickle"})
    assert not hasattr(sys, "ftbridge_exploited")


def test_pickle_is_read_where_the_operator_allowed_it() -> None:
    value = {"a": (1, {2})}
    assert read({"x": pickle.dumps(value)}, {"x": "pickle"}, WITH_PICKLE)["x"] == value
    with pytest.raises(ParameterError, match="'x' cannot be unpickled: "):
        read({"x": b"no pickle"}, {"x": "pickle"}, WITH_PICKLE)
