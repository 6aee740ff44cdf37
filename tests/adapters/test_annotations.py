"""From annotation to wire type, and which values each takes."""

import collections.abc as abc
import datetime
import enum
import typing
import uuid
from dataclasses import dataclass
from typing import Any, Literal, NewType, NotRequired, Optional, TypedDict

import numpy as np
import numpy.typing as npt
import pytest

from ftbridge.adapters.annotations import accept
from ftbridge.adapters.matching import Mismatch

UserId = NewType("UserId", int)
type Names = list[str]


type Json = dict[str, Json] | list[Json] | str | int | float | bool | None


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


@dataclass
class Box:
    width: int


class Point(TypedDict):
    x: int
    y: int
    label: NotRequired[str]


def passes(annotation, value):
    """The value that the tool would get; raises Mismatch."""
    return accept(annotation).take(value)


@pytest.mark.parametrize(
    ("annotation", "wire_type"),
    [
        (str, "string"),
        (int, "integer"),
        (float, "float"),
        (bool, "boolean"),
        (list, "embedding"),
        (list[float], "embedding"),
        (tuple[int, ...], "embedding"),
        (abc.Sequence[str], "embedding"),
        (dict, "map"),
        (typing.Dict[str, Any], "map"),  # noqa: UP006  # as many adapters still spell it
        (Point, "map"),
        (np.ndarray, "tensor"),
        (bytes, "binary"),
        (None, "null"),
        (Optional[int], "integer"),  # noqa: UP045
        (int | None, "integer"),
        (int | str, "any"),
        (Literal["a", "b"], "string"),
        (Literal["a", 1], "any"),
        (UserId, "integer"),
        (Names, "embedding"),
        (set[str], "embedding"),
        (tuple[int, str], "embedding"),
        (Json, "any"),
        (Color, "string"),
        (Mixed, "any"),
        (datetime.datetime, "string"),
        (uuid.UUID, "string"),
        (Box, "map"),
        (Box | None, "map"),
        (npt.NDArray[np.float32], "tensor"),
        (Any, "any"),
        (object, "any"),
        (complex, "any"),
    ],
)
def test_wire_types(annotation, wire_type):
    assert accept(annotation).wire_type == wire_type


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, "x"),
        (int, 3),
        (float, 0.5),
        (bool, True),
        (list[str], ["a"]),
        (list[str], []),
        (tuple[int, ...], [1, 2]),
        (dict[str, int], {"a": 1}),
        (dict[str, Any], {"a": object()}),
        (bytes, b"x"),
        (int | None, None),
        (int | str, "x"),
        (Literal["a", 1], 1),
        (Point, {"x": 1, "y": 2}),
        (Point, {"x": 1, "y": 2, "label": "p", "more": None}),
        (tuple[int, str], [1, "a"]),
        (Json, {"a": [1, {"b": None}]}),
        (Color, Color.RED),
        (Box, Box(1)),
        (str | datetime.date, "2026-01-02"),
        (Box | dict, {"width": 1}),
        (UserId, 4),
        (Names, ["a"]),
        (complex, 1j),
    ],
)
def test_what_fits_is_passed_unchanged(annotation, value):
    assert passes(annotation, value) is value


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, 3),
        (int, True),
        (int, 1.0),
        (int, "1"),
        (float, "1"),
        (float, True),
        (float, 2**53 + 1),
        (float, 10**400),
        (bool, 1),
        (list, {}),
        (list[str], ["a", 1]),
        (tuple[int, ...], [1, True]),
        (dict, []),
        (dict[str, int], {"a": "1"}),
        (bytes, "x"),
        (int, None),
        (int | None, "x"),
        (Literal["a", 1], True),
        (Literal[1], 1.0),
        (Point, {"x": 1}),
        (Point, {"x": 1, "y": "2"}),
        (Point, {"x": 1, "y": 2, "label": None}),
        (tuple[int, str], [1]),
        (tuple[int, str], ["a", 1]),
        (Point, []),
        (np.ndarray, [[1], [1, 2]]),
        (np.ndarray, ["a"]),
        (np.ndarray, 3),
        (np.ndarray, {"shape": [3], "data": [1, 2]}),
    ],
)
def test_what_does_not_fit_is_refused(annotation, value):
    with pytest.raises(Mismatch):
        passes(annotation, value)


def test_an_int_becomes_the_float_that_was_asked_for():
    converted = passes(float, 3)
    assert type(converted) is float
    assert converted == 3.0


@pytest.mark.parametrize(
    "value", [[[1, 2], [3, 4]], {"shape": [2, 2], "data": [1, 2, 3, 4]}, np.array([[1, 2], [3, 4]])]
)
def test_nested_lists_become_an_array(value):
    np.testing.assert_array_equal(passes(np.ndarray, value), [[1, 2], [3, 4]])


def test_a_refusal_names_the_element_and_not_its_content():
    with pytest.raises(Mismatch, match="element 1 is int, not a string") as caught:
        passes(list[str], ["a", 4711])
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("annotation", [list, list[str], abc.Sequence[str]])
def test_a_text_is_no_list(annotation):
    with pytest.raises(Mismatch):
        passes(annotation, "abc")


def test_a_sole_alternative_says_what_is_wrong_with_the_value():
    with pytest.raises(Mismatch, match="without 'width'"):
        passes(Box | None, {})
    with pytest.raises(Mismatch, match=r"^dict$"):
        passes(Box | int | list[int], {})


def test_a_map_of_boxes_becomes_boxes():
    assert passes(dict[str, Box], {"a": {"width": 1}}) == {"a": Box(1)}
    assert passes(list[Box | None], [None, {"width": 1}]) == [None, Box(1)]
