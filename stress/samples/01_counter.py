"""A counter that two threads count up.

`+=` is a read, an addition and a write. Between the read and the write of one thread the other may
write, and one of the two increments is lost. The GIL did not forbid that either; it only made it
rare. Mended: one lock over the read and the write.
"""

import threading


class Hits:
    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()

    def add(self):
        self.count += 1

    def add_locked(self):
        with self.lock:
            self.count += 1


def both(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    hits = Hits()
    both(hits.add)
    return hits.count


def mended():
    hits = Hits()
    both(hits.add_locked)
    return hits.count
