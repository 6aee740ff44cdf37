"""A lock that every request makes for itself.

An adapter that is instantiated for each request has a lock of its own in each instance. Everybody
takes a lock, nobody waits for anybody, and the counter in the class is as unprotected as without.
Mended: the lock lives where the data lives.
"""

import threading

from ftstress import together

FOUND_BY = ("races", "schedules")


calls_lock = threading.Lock()


class Adapter:
    calls = 0

    def __init__(self):
        self.lock = threading.Lock()

    def call(self):
        with self.lock:
            Adapter.calls += 1

    def call_locked(self):
        with calls_lock:
            Adapter.calls += 1


def racy():
    Adapter.calls = 0
    together(Adapter().call, Adapter().call)
    assert Adapter.calls == 2


def mended():
    Adapter.calls = 0
    together(Adapter().call_locked, Adapter().call_locked)
    assert Adapter.calls == 2
