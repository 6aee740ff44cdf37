"""A writer becomes a reader, and reads again inside, while another writer waits."""

from locks.deadlocks.threads import run_all
from locks.races import wait_until

from ftlocks import RWLock


def main(at_worst):
    cache = RWLock("cache")

    def refresh():
        with cache.write() as block:
            wait_until(lambda: cache.statistics().writers_waiting == 1)
            block.downgrade()
            with cache.read():
                at_worst()

    def clear():
        wait_until(lambda: cache.statistics().writer is not None)
        with cache.write():
            pass

    return run_all(refresh=refresh, clear=clear)
