"""A counter that two threads count up.

`+=` is a read, an addition and a write. Between the read and the write of one thread the other may
write, and one of the two increments is lost. The GIL did not forbid that either; it only made it
rare. Mended: one lock over the read and the write.
"""

import threading

from ftstress import together

FOUND_BY = ("races", "schedules")


class Hits:
    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()

    def add(self):
        self.count += 1

    def add_locked(self):
        with self.lock:
            self.count += 1


def racy():
    hits = Hits()
    together(hits.add, hits.add)
    assert hits.count == 2


def mended():
    hits = Hits()
    together(hits.add_locked, hits.add_locked)
    assert hits.count == 2
