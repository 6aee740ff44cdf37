"""A cache behind a lock for readers and writers, written to by "readers".

Any number of threads may hold the read side at once, so that what they change is not protected from
each other. Mended: whoever changes something takes the write side.
"""

import threading

import ftlocks
from ftstress import together

FOUND_BY = ("races", "schedules")


class Cache:
    def __init__(self):
        self.lock = ftlocks.RWLock()
        self.misses = 0
        # Both inside at once, as on a busy server.
        self.meeting = threading.Barrier(2)

    def miss(self):
        with self.lock.read():
            self.meeting.wait()
            self.misses += 1

    def miss_written(self):
        self.meeting.wait()
        with self.lock.write():
            self.misses += 1


def racy():
    cache = Cache()
    together(cache.miss, cache.miss)
    assert cache.misses == 2


def mended():
    cache = Cache()
    together(cache.miss_written, cache.miss_written)
    assert cache.misses == 2
