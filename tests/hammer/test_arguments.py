"""Arguments that are made up are arguments that the check accepts."""

import datetime
import enum
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np
import pytest

from ftbridge import BaseAdapter, testing, tool
from ftbridge.adapters.tools import collect_tools
from ftbridge.hammer import arguments
from tests.hammer.hammered import Chosen, Shop


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: float = 0.0


class Order(TypedDict):
    name: str
    count: NotRequired[int]


class Typed(BaseAdapter):
    __thread_safe__ = True

    @tool
    def take(
        self,
        number: int,
        share: float,
        text: Annotated[str, "some text"],
        yes: bool,
        data: bytes,
        names: list[str],
        counts: dict[str, int],
        pair: tuple[int, str],
        choice: Literal["a", 2],
        maybe: int | None,
        colour: Colour,
        point: Point,
        order: Order,
        day: datetime.date,
        vector: np.ndarray,
        tags: set[str],
        anything,
        optional: str = "default",
    ) -> None:
        pass


def cases():
    (case,) = arguments.of_adapter(Typed)
    return {values.name: values for values in case.parameters}


@pytest.mark.parametrize("name", list(cases()))
def test_every_value_is_one_that_the_parameter_takes(name):
    parameters = {p.name: p for p in collect_tools(Typed)["take"].info.parameters}

    values = cases()[name].values

    assert values
    for value in values:
        parameters[name].accept.take(value)


def test_values_reach_the_boundaries_and_the_alternatives():
    found = cases()

    assert {0, 1, -1} <= set(found["number"].values)
    assert "" in found["text"].values
    assert found["choice"].values == ("a", 2)
    assert None in found["maybe"].values
    assert {"red", "blue"} <= set(found["colour"].values)
    assert "default" in found["optional"].values
    assert not found["optional"].required
    assert {"x": 1.0, "y": 1.0} in found["point"].values


def test_made_up_arguments_are_accepted_by_the_server():
    (case,) = arguments.of_adapter(Typed)
    with testing.serve(Typed) as served:
        for given in [*case.first(5), *(case.draw(Random(n)) for n in range(20))]:
            assert served.call("take", **given) is None


def test_the_author_s_own_examples_and_draws_replace_made_up_ones():
    read, count = sorted(arguments.of_adapter(Chosen), key=lambda case: case.name, reverse=True)

    assert read.examples == ({"path": "a.txt"},)
    assert read.draw(Random(1)) == {"path": "a.txt"}
    assert {tuple(example) for example in count.examples} == {("number",)}
    assert all(0 <= count.draw(Random(n))["number"] < 10 for n in range(9))


def test_what_a_server_publishes_is_enough_to_call_it():
    with testing.serve(Typed) as served:
        remote = served.client.tools()["take"]
        case = arguments.of_remote(remote)

    values = {parameter.name: parameter.values for parameter in case.parameters}
    assert values["choice"] == ("a", 2)
    assert set(values["number"]) >= {0, 1, -1}
    assert "default" in values["optional"]


def test_declarations_are_read_from_adapter_and_tool():
    by_name = {case.name: case for case in arguments.of_adapter(Shop)}

    assert by_name["price"].deterministic
    assert not by_name["sell"].deterministic
    assert by_name["sell"].expected == {"SoldOutError"}
    assert by_name["shelf"].only_streams
