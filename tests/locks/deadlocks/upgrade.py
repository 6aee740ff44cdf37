"""Two readers want to become the writer, each of them waiting until the other has left."""

from locks.deadlocks.threads import Meeting, run_all

from ftlocks import RWLock


def main():
    cache = RWLock("cache")
    both_read = Meeting(2)

    def refresh():
        with cache.read():
            both_read.meet()
            with cache.write():
                pass

    return run_all(first=refresh, second=refresh)
