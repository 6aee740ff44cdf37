"""A module-wide total.

A global name is an entry of the module's dictionary: `global total; total += n` reads and writes it
like any attribute. Mended: a lock; or a sum of what each thread returns, made by one thread.
"""

import threading

from ftstress import together

FOUND_BY = ("races", "schedules")


total = 0
lock = threading.Lock()


def add():
    global total
    total += 1


def add_locked():
    global total
    with lock:
        total += 1


def racy():
    before = total
    together(add, add)
    assert total == before + 2


def mended():
    before = total
    together(add_locked, add_locked)
    assert total == before + 2
