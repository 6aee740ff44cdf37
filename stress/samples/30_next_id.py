"""The next free number is the largest one plus one.

Two threads that look at the same moment find the same largest number, and register two things under
one id; the first is overwritten. Mended: a counter that is read and counted up in one step.
"""

import ftlocks
from ftstress import together

FOUND_BY = ("races", "schedules")


class Registry:
    def __init__(self):
        self.workers = {1: "old"}
        self.last = ftlocks.AtomicInt(1)

    def register(self, worker):
        number = max(self.workers) + 1
        self.workers[number] = worker

    def register_counted(self, worker):
        self.workers[self.last.add()] = worker


def racy():
    registry = Registry()
    together(lambda: registry.register("a"), lambda: registry.register("b"))
    assert len(registry.workers) == 3


def mended():
    registry = Registry()
    together(lambda: registry.register_counted("a"), lambda: registry.register_counted("b"))
    assert len(registry.workers) == 3
