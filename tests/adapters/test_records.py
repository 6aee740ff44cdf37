"""Dataclasses, typed dicts and models as parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NotRequired, ReadOnly, Required, TypedDict

import pytest

from ftbridge import AdapterHost, BaseAdapter, SessionContext, tool
from ftbridge.adapters.annotations import accept
from ftbridge.adapters.errors import ToolArgumentError
from ftbridge.adapters.matching import Mismatch


@dataclass
class Point:
    x: float
    y: float
    label: str = ""


@dataclass(kw_only=True)
class Shape:
    """With a field of each kind."""

    points: list[Point]
    center: Point | None = None
    tags: set[str] = field(default_factory=set)
    area: float = field(init=False, default=0.0)

    def __post_init__(self):
        if not self.points:
            raise ValueError("a shape has points")


@dataclass
class Node:
    name: str
    children: list[Node] = field(default_factory=list)


class Options(TypedDict, total=False):
    limit: Required[int]
    offset: ReadOnly[int]
    nested: Inner


class Inner(TypedDict):
    ratio: float
    note: NotRequired[str]


class Model:
    """Looks like pydantic's."""

    def __init__(self, value):
        self.value = value

    @classmethod
    def model_validate(cls, value):
        if "size" not in value:
            raise ValueError("size: field required")
        return cls(value)


def test_a_map_becomes_an_instance_at_every_depth():
    shape = accept(Shape).take(
        {"points": [{"x": 1, "y": 2.5}], "center": {"x": 0, "y": 0, "label": "c"}, "tags": ["a"]}
    )
    assert shape == Shape(points=[Point(1.0, 2.5)], center=Point(0.0, 0.0, "c"), tags={"a"})
    assert type(shape.points[0].x) is float


def test_an_instance_passes_as_it_is():
    point = Point(1, 2)
    assert accept(Point).take(point) is point


def test_all_problems_of_a_record_are_named_at_once():
    with pytest.raises(Mismatch) as caught:
        accept(Point).take({"y": "up", "label": 3, "z": 1})
    assert str(caught.value) == (
        "one without 'x' and with the unknown 'z' and whose 'y' is str, not a number "
        "and whose 'label' is int, not a string"
    )


def test_a_problem_deep_inside_is_named_with_its_place():
    with pytest.raises(Mismatch, match=r"'points' is one whose element 1 is one without 'y'"):
        accept(Shape).take({"points": [{"x": 1, "y": 2}, {"x": 1}]})


def test_what_the_class_itself_refuses_is_a_mismatch():
    with pytest.raises(Mismatch, match="one that Shape refuses: a shape has points"):
        accept(Shape).take({"points": []})


def test_a_field_that_init_does_not_take_is_unknown():
    with pytest.raises(Mismatch, match="unknown 'area'"):
        accept(Shape).take({"points": [{"x": 1, "y": 2}], "area": 2.0})


def test_a_record_may_contain_itself():
    tree = accept(Node).take({"name": "a", "children": [{"name": "b", "children": []}]})
    assert tree == Node("a", [Node("b")])
    with pytest.raises(Mismatch, match="element 0 is one without 'name'"):
        accept(Node).take({"name": "a", "children": [{}]})


@pytest.mark.parametrize("value", [3, "x", [1], None])
def test_only_a_map_is_a_record(value):
    for cls in (Point, Options, Model):
        with pytest.raises(Mismatch):
            accept(cls).take(value)


def test_a_typed_dict_stays_a_dict_with_its_values_checked():
    given = {"limit": 1, "nested": {"ratio": 1.5}, "more": object()}
    assert accept(Options).take(given) is given
    converted = accept(Options).take({"limit": 1, "nested": {"ratio": 2}})
    assert type(converted["nested"]["ratio"]) is float
    with pytest.raises(Mismatch) as caught:
        accept(Options).take({"offset": "1", "nested": {"note": 1}})
    assert str(caught.value) == (
        "one without 'limit' and whose 'offset' is str, not an integer and whose 'nested' is one "
        "without 'ratio' and whose 'note' is int, not a string, not a map with the keys 'ratio'"
    )


def test_a_model_validates_itself():
    assert accept(Model).take({"size": 1}).value == {"size": 1}
    with pytest.raises(Mismatch, match="one that Model refuses: size: field required"):
        accept(Model).take({})


def test_a_hint_that_cannot_be_resolved_leaves_its_field_alone_unchecked():
    @dataclass
    class Odd:
        x: NoSuchName  # noqa: F821
        point: Point

    odd = accept(Odd).take({"x": [1], "point": {"x": 1, "y": 2}})
    assert odd == Odd([1], Point(1.0, 2.0))
    with pytest.raises(Mismatch, match="without 'x' and whose 'point' is int"):
        accept(Odd).take({"point": 1})


def test_a_tool_gets_the_instance_and_its_caller_every_problem():
    class Geometry(BaseAdapter):
        __thread_safe__ = True

        @tool
        def move(self, point: Point, by: float, **others: float) -> tuple[Point, dict]:
            return Point(point.x + by, point.y + by), others

    host = AdapterHost(Geometry)
    host.open()
    moved = host.call("move", {"point": {"x": 1, "y": 2}, "by": 1, "dz": 3}, SessionContext())
    assert moved == (Point(2.0, 3.0), {"dz": 3.0})
    assert type(moved[1]["dz"]) is float
    with pytest.raises(ToolArgumentError) as caught:
        host.call("move", {"point": {"x": 1}, "dz": "far"}, SessionContext())
    message = str(caught.value)
    assert "missing 'by'" in message
    assert "'point' must be a map of the fields of Point, got one without 'y'" in message
    assert "'dz' must be a number, got str" in message
    host.close()
