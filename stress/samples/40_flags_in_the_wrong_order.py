"""Two threads keep out of each other's way with a flag each; no lock.

Who looks at the other's flag before raising its own may come in together with the other. Mended:
raise it, then look, as Dekker did; at most one comes in. That needs memory in which all see writes
in one order, which atomics promise. A litmus test counts what happens:

    ftstress litmus 40_flags_in_the_wrong_order.py
"""

import ftlocks
from ftstress.litmus import Litmus, acceptable, actor, forbidden, interesting

FOUND_BY = ("races", "schedules", "litmus")


class Racy(Litmus):
    """Look, then raise the flag."""

    outcomes = (
        acceptable((True, False), "left came first"),
        acceptable((False, True), "right came first"),
        forbidden((True, True), "both are inside"),
    )

    def __init__(self):
        self.left_flag = self.right_flag = False

    @actor
    def left(self):
        if self.right_flag:
            return False
        self.left_flag = True
        return True

    @actor
    def right(self):
        if self.left_flag:
            return False
        self.right_flag = True
        return True


class Mended(Racy):
    """Raise the flag, then look."""

    outcomes = (
        *Racy.outcomes,
        interesting((False, False), "both were polite; Dekker's algorithm goes on and takes turns"),
    )

    def __init__(self):
        self.left_flag, self.right_flag = ftlocks.AtomicInt(), ftlocks.AtomicInt()

    @actor
    def left(self):
        self.left_flag.set(1)
        return not self.right_flag.get()

    @actor
    def right(self):
        self.right_flag.set(1)
        return not self.left_flag.get()


racy, mended = Racy.under_schedule, Mended.under_schedule
