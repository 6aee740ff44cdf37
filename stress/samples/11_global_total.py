"""A module-wide total.

A global name is an entry of the module's dictionary: `global total; total += n` reads and writes it
like any attribute. Mended: a lock; or a sum of what each thread returns, made by one thread.
"""

import threading

total = 0
lock = threading.Lock()


def add():
    global total
    total += 1


def add_locked():
    global total
    with lock:
        total += 1


def both(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    both(add)


def mended():
    both(add_locked)
