"""Workloads and a litmus test for the tests of `ftstress compare`."""

import threading

from ftstress import Workload
from ftstress.litmus import Litmus, acceptable, actor

made_by = []


class Locked(Workload):
    def __init__(self):
        self.lock = threading.Lock()
        self.count = 0
        made_by.append(threading.get_ident())

    def run(self):
        with self.lock:
            self.count += 1


class Failing(Workload):
    def run(self):
        raise LookupError("no such thing")


class Alone(Litmus):
    """Each actor has its own."""

    outcomes = (acceptable((1, 1), "each counted"),)

    @actor
    def one(self):
        return 1

    @actor
    def other(self):
        return 1
