"""Threads add into one numpy array.

`hits[i] += 1` takes the item out, adds, and puts it back; `hits += part` does the same in C,
without anybody's lock. numpy leaves that to the program. Mended: each thread fills in its own, and
one adds them up.
"""

import numpy as np

from ftstress import together

FOUND_BY = ("schedules",)


def count(hits):
    hits[0] += 1


def count_own():
    hits = np.zeros(4, dtype=int)
    hits[0] += 1
    return hits


def racy():
    hits = np.zeros(4, dtype=int)
    together(lambda: count(hits), lambda: count(hits))
    assert hits[0] == 2


def mended():
    hits = sum(together(count_own, count_own))
    assert hits[0] == 2
