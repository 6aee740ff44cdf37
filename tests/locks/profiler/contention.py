"""One thread that makes another wait, for certain, and how long that was at least and at most."""

from time import perf_counter_ns as clock

from locks.races import started, wait_until

import ftlocks

HOLD_NS = 2_000_000


def hold_up(acquire, release, wait, waiting, name="late"):
    """Hold a lock until a second thread has waited `HOLD_NS` for it; bounds of its wait in ns.

    Args:
        acquire, release: take the lock on this thread, and let it go.
        wait: takes and lets go the lock, on the other thread.
        waiting: whether the other thread waits now.
    """
    before = clock()
    acquire()
    with started(wait, name=name):
        wait_until(waiting)
        seen = clock()
        wait_until(lambda: clock() - seen > HOLD_NS)
        least = clock() - seen
        release()
    return least, clock() - before


def profiled(**options):
    """A profile that times everything."""
    return ftlocks.profile(**{"sample": 1, "title": "test", **options})


def contended(name="hot", **options):
    """The profile of one lock for which one thread made another wait, and the bounds of that."""
    lock = ftlocks.Lock(name)

    def take():
        with lock:
            pass

    with profiled(**options) as run:
        bounds = hold_up(lock.acquire, lock.release, take, lambda: lock.statistics().waiting == 1)
    return run.report(), bounds
