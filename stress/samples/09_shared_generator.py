"""Two threads take numbers from one generator.

A generator is a running function: two threads inside at once are a `ValueError: generator already
executing` at best, and on free-threaded 3.13 worse. Mended: a lock around each `next()`.
"""

import threading

from ftstress import together

FOUND_BY = ("races",)


def numbers():
    number = 0
    while True:
        yield number
        number += 1


class Ids:
    def __init__(self):
        self.source = numbers()
        self.lock = threading.Lock()

    def take(self):
        try:
            return next(self.source)
        except ValueError:
            return None

    def take_locked(self):
        with self.lock:
            return next(self.source)


def racy():
    ids = Ids()
    together(ids.take, ids.take)


def mended():
    ids = Ids()
    together(ids.take_locked, ids.take_locked)
