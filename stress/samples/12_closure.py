"""A function that counts its calls in a variable of the function around it.

`nonlocal` variables live in a cell that all inner functions share, and so do all threads that run
them. Mended: an `AtomicInt`.
"""

import ftlocks
from ftstress import together

FOUND_BY = ("races", "schedules")


def make_counter():
    count = 0

    def counter():
        nonlocal count
        count += 1
        return count

    return counter


def make_atomic_counter():
    count = ftlocks.AtomicInt()

    def counter():
        return count.add()

    return counter


def racy():
    counter = make_counter()
    assert sorted(together(counter, counter)) == [1, 2]


def mended():
    counter = make_atomic_counter()
    assert sorted(together(counter, counter)) == [1, 2]
