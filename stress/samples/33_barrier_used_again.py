"""A home-made barrier: count who comes, and the last one sets an event.

The first time it works. The second time the event is still set, and the first one to come walks
straight through. Mended: `threading.Barrier`, which may be used again.
"""

import threading

import ftlocks
from ftstress import together

FOUND_BY = ("schedules",)


class OnceBarrier:
    def __init__(self):
        self.arrived = ftlocks.AtomicInt()
        self.full = threading.Event()

    def wait(self):
        if self.arrived.add() % 2 == 0:
            self.full.set()
        self.full.wait()


def phases(barrier, done):
    for phase in range(3):
        done[phase].add()
        barrier.wait()
        assert done[phase].get() == 2, f"phase {phase} goes on with one part missing"


def run(barrier):
    done = [ftlocks.AtomicInt() for _ in range(3)]
    together(lambda: phases(barrier, done), lambda: phases(barrier, done))


def racy():
    run(OnceBarrier())


def mended():
    run(threading.Barrier(2))
