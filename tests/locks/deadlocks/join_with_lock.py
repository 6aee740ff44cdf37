"""A thread waits for the end of another one while it holds a lock that the other one needs."""

import threading

from locks.deadlocks.threads import Meeting, run_all

from ftlocks import DeadlockError, Lock


def main():
    state = Lock("state")
    held = Meeting(2)

    def flush():
        held.meet()
        try:
            with state:
                pass
        except DeadlockError:
            pass

    def stop():
        worker = threading.Thread(target=flush, name="flush", daemon=True)
        worker.start()
        with state:
            held.meet()
            worker.join()

    return run_all(stop=stop)
