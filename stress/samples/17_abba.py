"""Two accounts, each with a lock; a transfer takes the lock of the giver, then that of the taker.

Two transfers in opposite directions at once: each has one lock and waits for the other, for ever.
Mended: everybody takes the locks in the same order, here by the account's number.
"""

import ftlocks
from ftstress import together

FOUND_BY = ("schedules", "order")


class Account:
    def __init__(self, number):
        self.number = number
        self.balance = 100
        self.lock = ftlocks.Lock(f"account {number}")


def transfer(giver, taker):
    with giver.lock, taker.lock:
        giver.balance -= 10
        taker.balance += 10


def transfer_in_order(giver, taker):
    first, second = sorted((giver, taker), key=lambda account: account.number)
    with first.lock, second.lock:
        giver.balance -= 10
        taker.balance += 10


def racy():
    a, b = Account(1), Account(2)
    together(lambda: transfer(a, b), lambda: transfer(b, a))


def mended():
    a, b = Account(1), Account(2)
    together(lambda: transfer_in_order(a, b), lambda: transfer_in_order(b, a))
