"""Opposite orders, but who cannot have the second lock at once, or soon, lets go of the first."""

from locks.deadlocks.threads import Meeting, run_all
from locks.races import wait_until

from ftlocks import Lock


def main(at_worst):
    accounts, audit = Lock("accounts", statistics=True), Lock("audit", statistics=True)
    both_hold_one = Meeting(2)

    def transfer():
        with accounts:
            both_hold_one.meet()
            with audit:
                pass

    def review():
        with audit:
            both_hold_one.meet()
            wait_until(lambda: audit.statistics().waiting == 1)
            assert not accounts.acquire(False)
            at_worst()

    return run_all(transfer=transfer, review=review)
