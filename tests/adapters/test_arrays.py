"""Arrays with and without a named element type."""

import numpy as np
import numpy.typing as npt
import pytest

from ftbridge.adapters.annotations import accept
from ftbridge.adapters.matching import Mismatch


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
