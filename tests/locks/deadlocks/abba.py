"""Two threads take two locks in opposite orders."""

from locks.deadlocks.threads import Meeting, run_all

from ftlocks import Lock


def main():
    accounts, audit = Lock("accounts"), Lock("audit")
    both_hold_one = Meeting(2)

    def transfer():
        with accounts:
            both_hold_one.meet()
            with audit:
                pass

    def review():
        with audit:
            both_hold_one.meet()
            with accounts:
                pass

    return run_all(transfer=transfer, review=review)
