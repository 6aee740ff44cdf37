"""Counting the calls of one function, by names of three lengths."""

import sys

import pytest

from ftlocks.profiler.calls import CallCounter


def sell():
    return 1


class Shop:
    def sell(self):
        return 2

    def fail(self):
        raise ValueError(self)


@pytest.fixture
def counter():
    made = []

    def make(name):
        made.append(CallCounter(name))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("sell", 3),
        ("Shop.sell", 2),
        ("test_calls.Shop.sell", 2),
        ("test_calls.sell", 3),
        ("buy", 0),
    ],
)
def test_a_function_is_found_by_its_name(counter, name, calls):
    counted = counter(name)
    shop = Shop()
    for _ in range(3):
        sell()
    for _ in range(2):
        shop.sell()

    assert counted.value() == calls


def test_one_that_raises_has_not_returned(counter):
    counted = counter("Shop.fail")
    with pytest.raises(ValueError, match="Shop"):
        Shop().fail()

    assert counted.value() == 0


def test_it_leaves_nothing_behind():
    counted = CallCounter("sell")
    counted.start()
    sell()
    counted.stop()
    counted.stop()
    sell()

    assert counted.value() == 1
    assert sys.monitoring.get_tool(4) is None


def test_all_places_taken(counter):
    counter("sell")
    counter("sell")
    with pytest.raises(RuntimeError, match="no place left"):
        CallCounter("sell").start()


def test_no_name():
    with pytest.raises(ValueError, match="say which function"):
        CallCounter("")
