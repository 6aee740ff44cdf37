"""Servers in turn, from a deque: take the first, then rotate.

Two requests that look before either has rotated go to the same server, and the next two skip one.
Mended: both steps under one lock.
"""

from collections import deque
from threading import Lock

from ftstress import together

FOUND_BY = ("races", "schedules")


class Balancer:
    def __init__(self):
        self.servers = deque(["a", "b"])
        self.lock = Lock()

    def next(self):
        server = self.servers[0]
        self.servers.rotate()
        return server

    def next_locked(self):
        with self.lock:
            return self.next()


def racy():
    balancer = Balancer()
    assert sorted(together(balancer.next, balancer.next)) == ["a", "b"]


def mended():
    balancer = Balancer()
    assert sorted(together(balancer.next_locked, balancer.next_locked)) == ["a", "b"]
