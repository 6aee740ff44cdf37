"""Sessions in a table behind a lock, and two requests of one session at the same time.

The lock protects the table. What is in it, the session that both requests were handed, is changed
without any. Mended: a lock of its own in each session.
"""

from threading import Lock

from ftstress import together

FOUND_BY = ("races", "schedules")


class Adapter:
    def __init__(self):
        self.sessions = {}
        self.lock = Lock()

    def session(self, key):
        with self.lock:
            return self.sessions.setdefault(key, {"turns": 0, "lock": Lock()})

    def chat(self):
        session = self.session("s1")
        session["turns"] += 1

    def chat_locked(self):
        session = self.session("s1")
        with session["lock"]:
            session["turns"] += 1


def racy():
    adapter = Adapter()
    together(adapter.chat, adapter.chat)
    assert adapter.session("s1")["turns"] == 2


def mended():
    adapter = Adapter()
    together(adapter.chat_locked, adapter.chat_locked)
    assert adapter.session("s1")["turns"] == 2
