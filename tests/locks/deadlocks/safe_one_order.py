"""Threads that queue up for locks, in the same order all of them."""

from locks.deadlocks.threads import run_all
from locks.races import wait_until

from ftlocks import Lock


def main(at_worst):
    accounts, audit = Lock("accounts", statistics=True), Lock("audit")

    def first():
        with accounts, audit:
            wait_until(lambda: accounts.statistics().waiting == 2)
            at_worst()

    def later():
        with accounts, audit:
            pass

    with audit:
        pass
    return run_all(first=first, second=later, third=later)
