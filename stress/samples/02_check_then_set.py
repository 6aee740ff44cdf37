"""A session is made when its id is not in the table yet.

Two requests of a new session may both find it missing. Both make one; the second assignment
replaces the first, and what the first request stored in its session is gone. Each dictionary
operation is atomic, the pair is not. Mended: the check and the assignment under one lock.
"""

import threading

from ftstress import together

FOUND_BY = ("races", "schedules")


class Store:
    def __init__(self):
        self.sessions = {}
        self.lock = threading.Lock()

    def get(self, key):
        if key not in self.sessions:
            self.sessions[key] = {}
        return self.sessions[key]

    def get_locked(self, key):
        with self.lock:
            if key not in self.sessions:
                self.sessions[key] = {}
            return self.sessions[key]


def racy():
    store = Store()
    first, second = together(lambda: store.get("s1"), lambda: store.get("s1"))
    assert first is second


def mended():
    store = Store()
    first, second = together(lambda: store.get_locked("s1"), lambda: store.get_locked("s1"))
    assert first is second
