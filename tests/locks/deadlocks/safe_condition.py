"""A thread waits for work while it holds the lock of the one whose turn it is.

Others wait for that lock, as followers do for their leader; the one who notifies does not need it.
"""

from locks.deadlocks.threads import run_all
from locks.races import wait_until

from ftlocks import Condition, Lock


def main(at_worst):
    turn, work = Lock("turn", statistics=True), Condition(name="work")
    items = []

    def serve():
        with turn, work:
            while not items:
                work.wait()
            items.pop()

    def bring():
        wait_until(lambda: work.statistics().waiting == 1 and turn.statistics().waiting == 1)
        at_worst()
        for _ in range(2):
            with work:
                items.append(1)
                work.notify()

    return run_all(leader=serve, follower=serve, bring=bring)
