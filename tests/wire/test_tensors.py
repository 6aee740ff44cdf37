"""Arrays with dtype and shape, both ways, and every layout that must be refused."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftbridge.wire.tensors import (
    MAX_DIMENSIONS,
    NX_TYPES,
    TensorError,
    from_json,
    from_raw,
    is_tensor,
    layout,
    layout_text,
    parse_layout,
    raw,
    read_layout,
    to_json,
    travels_raw,
)

REAL = [dtype for dtype in NX_TYPES if "c" not in dtype]


def example(dtype: str) -> np.ndarray[Any, Any]:
    return np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)


def same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


@pytest.mark.parametrize("dtype", NX_TYPES)
def test_raw_there_and_back(dtype: str) -> None:
    array = example(dtype)
    assert is_tensor(array)
    assert same(from_raw(raw(array), *parse_layout(layout_text(array))), array)
    about = json.loads(json.dumps(layout(array)))
    assert about["binary_format"] == "tensor"
    assert same(from_raw(raw(array), *read_layout(about)), array)


@pytest.mark.parametrize("dtype", REAL)
def test_json_there_and_back(dtype: str) -> None:
    array = example(dtype)
    assert same(from_json(json.loads(json.dumps(to_json(array)))), array)


def test_the_layout_as_documented() -> None:
    array = np.array([[1.5, 2], [3, 4]], dtype=">f4")
    assert layout_text(array) == "tensor;dtype=<f4;shape=2,2"
    assert layout(array) == {
        "binary_format": "tensor", "dtype": "<f4", "shape": [2, 2], "type": "f32"
    }  # fmt: skip
    assert to_json(array) == {
        "dtype": "<f4", "shape": [2, 2], "type": "f32", "data": [1.5, 2.0, 3.0, 4.0]
    }  # fmt: skip
    assert raw(array) == np.array([1.5, 2, 3, 4], dtype="<f4").tobytes()


def test_order_and_gaps_do_not_travel() -> None:
    array = np.arange(24, dtype=">i2").reshape(4, 6)
    for view in (array.T, array[::2, ::-3], np.asfortranarray(array), array[:0]):
        back = from_raw(raw(view), *parse_layout(layout_text(view)))
        assert np.array_equal(back, view)
        assert np.array_equal(from_json(to_json(view)), view)


def test_special_floats_travel_in_json() -> None:
    array = np.array([math.nan, math.inf, -math.inf, -0.0], dtype="<f8")
    fields = to_json(array)
    assert fields["data"][:3] == ["NaN", "Infinity", "-Infinity"]
    json.dumps(fields, allow_nan=False)
    back = from_json(fields)
    assert np.array_equal(back, array, equal_nan=True)
    assert math.copysign(1, back[3]) == -1


def test_what_arrives_is_read_only_and_not_copied() -> None:
    data = np.arange(4, dtype="<i4").tobytes()
    array = from_raw(data, "<i4", (2, 2))
    assert not array.flags.writeable
    assert np.shares_memory(array, np.frombuffer(data, "u1"))
    assert not from_json(to_json(array)).flags.writeable


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]), np.array(["a"]), np.array(["2024-01-01"], dtype="M8[D]"),
        np.array([(1, 2)], dtype="i4,i4"), np.array([b"a"]), np.array(1), np.float64(1),
        np.ma.array([1]), np.zeros((1,) * 33), [1], "a", None,
        np.array([1], dtype=np.longdouble), np.zeros(1, dtype="V4"),
    ],
)  # fmt: skip
def test_what_is_no_tensor(value: object) -> None:
    assert not is_tensor(value)


def test_size_decides_and_complex_numbers_are_raw() -> None:
    assert not travels_raw(np.zeros(10, dtype="u1"), 10)
    assert travels_raw(np.zeros(11, dtype="u1"), 10)
    assert travels_raw(np.zeros(1, dtype="c8"), 10)


@pytest.mark.parametrize(
    "text",
    [
        "", "tensor", "tensor;", "pickle", "tensor;dtype=<f4", "tensor;shape=2;shape=2",
        "tensor;dtype=<f4;shape=2;x=1", "tensor;dtype=<f4;size=2", "Tensor;dtype=<f4;shape=2",
        "tensor;dtype=O;shape=2", "tensor;dtype=|O;shape=2", "tensor;dtype=f4;shape=2",
        "tensor;dtype=>f4;shape=2", "tensor;dtype=<U1;shape=2", "tensor;dtype=<f4,<f4;shape=2",
        "tensor;dtype=<M8[ns];shape=2", "tensor;dtype=|V8;shape=2", "tensor;dtype=<f16;shape=2",
        "tensor;dtype=<f4;shape=-1", "tensor;dtype=<f4;shape=+1", "tensor;dtype=<f4;shape=2,",
        "tensor;dtype=<f4;shape=,", "tensor;dtype=<f4;shape=1.0", "tensor;dtype=<f4;shape=1_0",
        "tensor;dtype=<f4;shape= 1", "tensor;dtype=<f4;shape=0x1", "tensor;dtype=<f4;shape=\u0663",
        "tensor;dtype=<f4;shape=99999999999999999999", "tensor;dtype=<f4;shape=9223372036854775808",
        "tensor;dtype=<f4;shape=" + "1," * 32 + "1",
    ],
)  # fmt: skip
def test_layouts_that_are_refused(text: str) -> None:
    with pytest.raises(TensorError):
        parse_layout(text)


@pytest.mark.parametrize(
    ("data", "shape", "said"),
    [
        (b"", (1,), "take 4 bytes, 0 came"),
        (b"\0" * 5, (1,), "take 4 bytes, 5 came"),
        (b"\0" * 8, (3,), r"shape \(3\) take 12 bytes, 8 came"),
        (b"\0" * 4, (2**62, 2**62), r"more than 2\*\*64 bytes, 4 came"),
        (b"\0" * 4, (2**32, 2**32), "bytes, 4 came"),  # 64-bit arithmetic would see none
        (b"", (0, 2**63 - 1, 2**63 - 1), "shape"),
    ],
)
def test_bytes_that_do_not_fit_the_shape(data: bytes, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(TensorError, match=said):
        from_raw(data, "<f4", shape)


def test_a_layout_without_lengths_is_one_element() -> None:
    assert parse_layout("tensor;dtype=<f8;shape=") == ("<f8", ())
    assert from_raw(np.float64(2.5).tobytes(), "<f8", ()) == 2.5


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "|O"}, {"dtype": None}, {"dtype": 5}, {"dtype": "<c8"}, {"shape": None},
        {"shape": [3]}, {"shape": [-1, -2]}, {"shape": [2.0]}, {"shape": [True, 2]},
        {"shape": "2"}, {"shape": [2**70]}, {"shape": [1] * (MAX_DIMENSIONS + 1)},
        {"data": None}, {"data": [1]}, {"data": [1, "2"]}, {"data": [1, None]},
        {"data": [1, [2]]}, {"data": [1, True]}, {"data": {"a": 1}},
        {"dtype": "<i4", "data": [1, 2.5]}, {"dtype": "<i4", "data": [1, "NaN"]},
        {"dtype": "|u1", "data": [1, 256]}, {"dtype": "|b1", "data": [1, 0]},
        {"dtype": "<f8", "data": [1, 10**400]},
    ],
)  # fmt: skip
def test_json_tensors_that_are_refused(change: dict[str, Any]) -> None:
    good = {"dtype": "<f4", "shape": [2], "data": [1, 2.5]}
    assert from_json(good).tolist() == [1, 2.5]
    with pytest.raises(TensorError):
        from_json({**good, **change})


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(max_size=60) | st.text("tensor;dyp=shaf4<2,0", max_size=40), st.binary(max_size=16))
def test_any_layout_is_read_or_refused(text: str, data: bytes) -> None:
    try:
        array = from_raw(data, *parse_layout(text))
    except TensorError:
        return
    assert array.nbytes == len(data)
