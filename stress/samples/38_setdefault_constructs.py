"""`setdefault(key, Connection())` for a connection a key.

`setdefault` is atomic: all get the same object. Its argument is worked out before, by everybody:
the connections of those who came second are open, and nobody has them. Mended: `get_or_create`
calls the factory once.
"""

import ftlocks
from ftstress import together

FOUND_BY = ("schedules",)


class Pool:
    def __init__(self):
        self.opened = ftlocks.AtomicInt()
        self.connections = {}
        self.table = ftlocks.ConcurrentDict()

    def open(self):
        self.opened.add()
        return object()

    def get(self):
        if "db" in self.connections:
            return self.connections["db"]
        return self.connections.setdefault("db", self.open())

    def get_once(self):
        return self.table.get_or_create("db", self.open)


def racy():
    pool = Pool()
    together(pool.get, pool.get)
    assert pool.opened.get() == 1


def mended():
    pool = Pool()
    together(pool.get_once, pool.get_once)
    assert pool.opened.get() == 1
