"""Each side locks, but not the same lock.

The writer came with a lock of its own years after the reader did. A lock only excludes those who
take that lock. Mended: one lock for one piece of data.
"""

import threading

from ftstress import together

FOUND_BY = ("races",)


class Balance:
    def __init__(self):
        self.amount = 0
        self.read_lock = threading.Lock()
        self.write_lock = threading.Lock()

    def deposit(self):
        with self.write_lock:
            self.amount += 10

    def show(self):
        with self.read_lock:
            return self.amount

    def show_right(self):
        with self.write_lock:
            return self.amount


def racy():
    balance = Balance()
    together(balance.deposit, balance.show)


def mended():
    balance = Balance()
    together(balance.deposit, balance.show_right)
