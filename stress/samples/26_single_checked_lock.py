"""Double-checked locking without the second check.

Both threads see that there is no connection; one waits for the lock while the other connects; then
it has the lock, and connects again. Mended: look again under the lock.
"""

from threading import Lock

from ftstress import together

FOUND_BY = ("races", "schedules")


class Client:
    def __init__(self):
        self.connection = None
        self.lock = Lock()

    def connect(self):
        if self.connection is None:
            with self.lock:
                self.connection = object()
        return self.connection

    def connect_once(self):
        if self.connection is None:
            with self.lock:
                if self.connection is None:
                    self.connection = object()
        return self.connection


def racy():
    client = Client()
    first, second = together(client.connect, client.connect)
    assert first is second


def mended():
    client = Client()
    first, second = together(client.connect_once, client.connect_once)
    assert first is second
