"""A cache behind a lock for readers and writers, written to by "readers".

Any number of threads may hold the read side at once, so that what they change is not protected from
each other. Mended: whoever changes something takes the write side.
"""

import threading

import ftlocks


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


def both(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    both(Cache().miss)


def mended():
    both(Cache().miss_written)
