"""Workers take jobs from a list as long as there are any.

Between the check and `pop()` another worker may take the last job: IndexError. `pop()` by itself is
atomic. Mended: only `pop()`, and the exception says that there are none.
"""

from ftstress import together

FOUND_BY = ("races", "schedules")


def work_checked(jobs):
    while jobs:
        jobs.pop()


def work(jobs):
    while True:
        try:
            jobs.pop()
        except IndexError:
            return


def racy():
    jobs = [1]
    together(lambda: work_checked(jobs), lambda: work_checked(jobs))


def mended():
    jobs = [1, 2, 3]
    together(lambda: work(jobs), lambda: work(jobs))
