"""`reset()` makes everything new, the lock included.

Whoever waits for the old lock, or has it, and whoever takes the new one are no longer kept apart.
Mended: a lock lives as long as its object; `reset()` takes it and changes the rest.
"""

from threading import Lock

from ftstress import together

FOUND_BY = ("races", "schedules")


class Statistics:
    def __init__(self):
        self.lock = Lock()
        self.count = 0

    def add(self):
        with self.lock:
            self.count += 1

    def reset(self):
        self.lock = Lock()
        with self.lock:
            self.count = 0

    def reset_locked(self):
        with self.lock:
            self.count = 0


def run(statistics, reset):
    statistics.count = 10
    together(statistics.add, lambda: (reset(), statistics.add()))
    assert statistics.count in (1, 2)


def racy():
    statistics = Statistics()
    run(statistics, statistics.reset)


def mended():
    statistics = Statistics()
    run(statistics, statistics.reset_locked)
