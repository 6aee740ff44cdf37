"""A sum over the keys that were there a moment ago.

`list(table)` keeps the loop from breaking when the table changes, which is why it is often written.
The key may still be gone when its turn comes: KeyError. Mended: copy keys and values together,
under the lock of those who remove.
"""

from threading import Lock

from ftstress import together

FOUND_BY = ("races", "schedules")


class Sessions:
    def __init__(self):
        self.calls = {"a": 1, "b": 2}
        self.lock = Lock()

    def close(self):
        del self.calls["b"]

    def total(self):
        return sum([self.calls[key] for key in list(self.calls)])

    def close_locked(self):
        with self.lock:
            del self.calls["b"]

    def total_locked(self):
        with self.lock:
            calls = dict(self.calls)
        return sum(calls.values())


def racy():
    sessions = Sessions()
    together(sessions.close, sessions.total)


def mended():
    sessions = Sessions()
    together(sessions.close_locked, sessions.total_locked)
