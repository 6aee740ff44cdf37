"""A connection is closed by one thread while another uses it.

Whoever uses it looks first whether it is closed. Between the look and the use it is. Mended: the
look and the use under the lock under which it is closed (an `RWLock`, where many use it).
"""

from threading import Lock

from ftstress import together

FOUND_BY = ("races", "schedules")


class Connection:
    def __init__(self):
        self.buffer = []
        self.lock = Lock()

    def close(self):
        self.buffer = None

    def send(self):
        if self.buffer is not None:
            self.buffer.append("data")

    def close_locked(self):
        with self.lock:
            self.buffer = None

    def send_locked(self):
        with self.lock:
            if self.buffer is not None:
                self.buffer.append("data")


def racy():
    connection = Connection()
    together(connection.close, connection.send)


def mended():
    connection = Connection()
    together(connection.close_locked, connection.send_locked)
