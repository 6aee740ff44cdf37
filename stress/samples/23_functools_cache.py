"""`functools.cache` around something expensive.

It is safe: no entry is broken. But it computes without a lock, so that all threads that miss at the
same time compute, and each gets an object of its own. Mended: a cache in which one thread computes
and the others wait for it.
"""

import functools

import ftlocks
from ftstress import together

FOUND_BY = ("schedules",)


class Models:
    def __init__(self):
        self.loads = []
        self.cached = functools.cache(self.load)
        self.cache = ftlocks.SingleFlightCache(8)

    def load(self, name):
        self.loads.append(name)
        return object()

    def get(self):
        return self.cached("bert")

    def get_once(self):
        return self.cache.get("bert", self.load)


def racy():
    models = Models()
    first, second = together(models.get, models.get)
    assert first is second


def mended():
    models = Models()
    first, second = together(models.get_once, models.get_once)
    assert first is second
