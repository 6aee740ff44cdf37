"""Accesses of instrumented code are the places at which a schedule switches."""

import threading
from collections import deque

from ftstress import BoundedDFS, explore

total = 0


class Box:
    value = 0


def places_of(test, **options):
    """Operations in the order of one run without a preemption."""
    steps = []

    class Watch(BoundedDFS):
        def attach(self, run):
            steps[:] = [run]

    explore(test, strategy=Watch(0), iterations=1, minimise=False, **options)
    return [step.site.place.operation for step in steps[0].steps if step.reason == "point"]


def test_each_access_is_a_place_with_a_name_that_no_interpreter_version_changes():
    def test():
        global total
        box = Box()
        items = deque([box])
        total += 1
        items.append(box.value)
        box.value += total

    assert places_of(test) == [
        *("load total", "store total"),
        *("load value", "append"),
        *("load value", "load total", "store value"),
    ]


def test_by_line_only_the_first_access_of_a_line_is_a_place():
    def test():
        global total
        total += 1
        total = total + total

    assert places_of(test, granularity="line") == ["load total", "load total"]


def test_every_item_of_a_loop_is_a_place():
    def test():
        table = {1: 2, 3: 4}
        for key in table:
            _ = key
        for key, value in table.items():
            _ = key, value
        for number, key in enumerate(table):
            _ = number, key

    steps = ["scan"] * 4
    assert places_of(test) == [*steps, "items", *steps, *steps]


def test_a_loop_that_waits_in_a_way_nobody_sees_lets_the_others_through():
    def test():
        box = bytearray(1)
        view = memoryview(box)  # reading it is no event

        def fill():
            view[0] = 1

        thread = threading.Thread(target=fill)
        thread.start()
        while not view[0]:
            pass
        thread.join()

    assert explore(test, strategy="dfs", iterations=3).failure is None


def test_a_flag_that_is_looked_at_without_a_lock_is_a_place():
    def test():
        flag = threading.Event()
        thread = threading.Thread(target=flag.set)
        thread.start()
        while not flag.is_set():
            pass
        thread.join()

    assert explore(test, iterations=5).failure is None
    assert "Event.is_set" in places_of(test)
