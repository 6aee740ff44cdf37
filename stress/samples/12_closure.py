"""A function that counts its calls in a variable of the function around it.

`nonlocal` variables live in a cell that all inner functions share, and so do all threads that run
them. Mended: an `AtomicInt`.
"""

import threading

import ftlocks


def make_counter():
    count = 0

    def counter():
        nonlocal count
        count += 1
        return count

    return counter


def make_atomic_counter():
    count = ftlocks.AtomicInt()

    def counter():
        return count.add()

    return counter


def both(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    both(make_counter())


def mended():
    both(make_atomic_counter())
