"""`limits`: of two calls at once only one is counted, so that a rate limit is exceeded.

`MemoryStorage.incr()` begins with `get()`, which takes a counter without an expiry for one that
has run out, and drops it. On a new key the counter comes first and the expiry after it; a second
thread that looks in between drops the first one's count (and the lock that both should share).

Claims nothing in its documentation; it keeps a lock for each key so that threads may share it, and
Flask-Limiter's in-memory storage is this one.
"""

from threading import Thread

from limits.storage import MemoryStorage

REQUIREMENTS = ("limits==5.8.0",)
MODULES = ("limits.storage.memory",)


def every_call_is_counted():
    storage = MemoryStorage()
    threads = [Thread(target=storage.incr, args=("user", 60.0)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    storage.timer.join()
    assert storage.get("user") == 2, storage.get("user")


TEST = every_call_is_counted
