"""A lock that every request makes for itself.

An adapter that is instantiated for each request has a lock of its own in each instance. Everybody
takes a lock, nobody waits for anybody, and the counter in the class is as unprotected as without.
Mended: the lock lives where the data lives.
"""

import threading


class Adapter:
    calls = 0
    class_lock = threading.Lock()

    def __init__(self):
        self.lock = threading.Lock()

    def call(self):
        with self.lock:
            Adapter.calls += 1

    def call_locked(self):
        with Adapter.class_lock:
            Adapter.calls += 1


def requests(name):
    threads = [threading.Thread(target=getattr(Adapter(), name)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    requests("call")


def mended():
    requests("call_locked")
