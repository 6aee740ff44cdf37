"""Arrays with and without a named element type."""

import json

import numpy as np
import numpy.typing as npt
import pytest

from ftbridge.adapters.annotations import accept
from ftbridge.adapters.matching import Mismatch
from ftbridge.wire.tensors import to_json


@pytest.mark.parametrize(
    ("annotation", "value", "dtype"),
    [
        (np.ndarray, [1, 2], np.int64),
        (np.ndarray, np.array([1], np.int8), np.int8),
        (npt.NDArray[np.float64], [1, 2], np.float64),
        (npt.NDArray[np.float32], [1.5, 2], np.float32),
        (npt.NDArray[np.floating], [1, 2], np.float64),
        (npt.NDArray[np.floating], np.array([1], np.float32), np.float32),
        (npt.NDArray[np.number], [1, 2], np.int64),
        (npt.NDArray[np.generic], [True], np.bool_),
        (np.ndarray[tuple[int, int], np.dtype[np.int32]], [[1]], np.int32),
        (npt.NDArray[np.float64], {"shape": [2, 1], "data": [1, 2]}, np.float64),
    ],
)
def test_the_element_type_is_the_annotations(annotation, value, dtype):
    taken = accept(annotation).take(value)
    assert taken.dtype == dtype


def test_an_array_that_fits_is_not_copied():
    array = np.array([1.0, 2.0])
    assert accept(npt.NDArray[np.float64]).take(array) is array
    assert accept(np.ndarray).take(array) is array


def test_what_would_lose_its_fraction_is_refused():
    with pytest.raises(Mismatch, match="an array of float64"):
        accept(npt.NDArray[np.int64]).take([1.5])
    assert accept(npt.NDArray[np.int64]).expected == "an array of int64 (nested lists of numbers)"


def test_a_small_result_may_be_sent_back():
    """As `wire.tensors.to_json` makes it, by way of a host that knows only its JSON."""
    for array in (
        np.array([[1, 2], [3, 255]], "|u1"),
        np.array([2**64 - 1, 0], "<u8"),
        np.array([1.5, np.nan, np.inf, -np.inf], "<f4"),
        np.array([True, False]),
        np.zeros((0, 3), "<i2"),
    ):
        sent = json.loads(json.dumps(to_json(array)))
        taken = accept(np.ndarray).take(sent)
        assert (taken.dtype, taken.shape) == (array.dtype, array.shape)
        assert taken.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "O"}, {"dtype": "f4,f4"}, {"dtype": "<U3"}, {"dtype": 5}, {"dtype": "nothing"},
        {"dtype": "<i4"}, {"dtype": "|b1"}, {"shape": [3]}, {"shape": [-1, 5]}, {"shape": None},
        {"data": ["1", "2"]}, {"data": [1, None]}, {"data": "12"}, {"extra": 1},
        {"dtype": "|u1", "data": [1, 256]}, {"dtype": "O", "data": [], "shape": [0]},
    ],
)  # fmt: skip
def test_a_map_that_is_no_array_is_refused(change):
    good = {"dtype": "<f4", "shape": [2], "type": "f32", "data": [1, 2.5]}
    assert accept(np.ndarray).take(good).tolist() == [1, 2.5]
    with pytest.raises(Mismatch):
        accept(np.ndarray).take({**good, **change})
