"""A thread waits for a notification while it holds a lock that the notifier needs first.

`wait()` lets go of the condition's own lock only.
"""

from locks.deadlocks.threads import Meeting, run_all

from ftlocks import Condition, Lock


def main():
    table, filled = Lock("table"), Condition(name="filled")
    items = []
    holds_table = Meeting(2)

    def take():
        with table, filled:
            holds_table.meet()
            while not items:
                filled.wait()

    def put():
        holds_table.meet()
        with table, filled:
            items.append(1)
            filled.notify()

    return run_all(take=take, put=put)
