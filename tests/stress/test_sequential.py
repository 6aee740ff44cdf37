"""A class as a model: states are copies, equal ones are recognised, answers are remembered."""

import threading
from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftstress.linearizability import Operation
from ftstress.sequential import ModelError, NotYet, Sequential, State, frozen


class Queue:
    calls = 0

    def __init__(self):
        self.items = []

    def put(self, item):
        Queue.calls += 1
        self.items.append(item)

    def get(self):
        if not self.items:
            raise NotYet
        return self.items.pop(0)

    def peek(self):
        return self.items[0]


def call(name, *arguments):
    return Operation(0, name, arguments, None, 0, 1)


def test_a_step_is_the_method_on_a_copy():
    spec = Sequential(Queue)
    empty = spec.initial()
    result, one = spec.step(empty, call("put", 7))
    assert result is None
    assert spec.step(one, call("get")) == (7, empty)
    assert spec.initial().model.items == []


def test_a_method_may_make_the_operation_wait_and_an_exception_is_a_result():
    spec = Sequential(Queue)
    assert spec.step(spec.initial(), call("get")) is None
    assert spec.step(spec.initial(), call("peek")) == (IndexError, spec.initial())


def test_answers_are_remembered_by_state_and_arguments():
    spec = Sequential(Queue)
    Queue.calls = 0
    for _ in range(3):
        spec.step(State(Queue()), call("put", 1))
    assert Queue.calls == 1
    spec.step(spec.initial(), call("put", True))
    assert Queue.calls == 2  # True is equal to 1, and another argument


def test_a_model_without_the_method_is_refused():
    with pytest.raises(ModelError, match="Queue has no method 'pop'"):
        Sequential(Queue).step(State(Queue()), call("pop"))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 2), inner),
    max_leaves=6,
)


def exactly(value):
    """The definition of what must not be mixed up: values with all their types, in order."""
    return repr(value)


@given(PLAIN, PLAIN)
def test_frozen_values_are_equal_where_the_contents_are(a, b):
    assert (frozen(a) == frozen(b)) == (exactly(a) == exactly(b))
    hash(frozen(a))


def test_objects_are_compared_by_what_they_hold():
    class Slotted:
        __slots__ = ("x",)

    @dataclass
    class Data:
        items: deque

    class Table(dict):
        pass

    a, b = Slotted(), Slotted()
    a.x = b.x = {1, 2}
    assert frozen(a) == frozen(b)
    b.x = {1}
    assert frozen(a) != frozen(b)
    assert frozen(Data(deque([1]))) == frozen(Data(deque([1])))
    assert frozen(Data(deque([1]))) != frozen(Data(deque([2])))
    assert frozen(Table(a=1)) != frozen({"a": 1})
    assert frozen(bytearray(b"x")) == frozen(bytearray(b"x"))
    assert frozen(Queue()) == frozen(Queue())


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ModelError, match="a model must not hold <unlocked"):
        frozen(threading.Lock())
