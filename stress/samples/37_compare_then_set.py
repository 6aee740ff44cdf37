"""A job is started by whoever finds it new.

Two threads find it new. The comparison and the assignment are two steps. Mended: an `AtomicRef`,
whose `compare_and_set` is one, and tells who was first.
"""

import ftlocks
from ftstress import together

FOUND_BY = ("races", "schedules")


class Job:
    def __init__(self):
        self.state = "new"
        self.atomic_state = ftlocks.AtomicRef("new")

    def start(self):
        if self.state == "new":
            self.state = "running"
            return True
        return False

    def start_once(self):
        return self.atomic_state.compare_and_set("new", "running")


def racy():
    job = Job()
    assert together(job.start, job.start).count(True) == 1


def mended():
    job = Job()
    assert together(job.start_once, job.start_once).count(True) == 1
