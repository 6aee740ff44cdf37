"""Workers ask a queue whether it is empty, and then get from it.

`queue.Queue` is safe; two calls of it are still two steps. Between them another worker takes the
last item, and `get()` waits for one that never comes. Mended: `get_nowait()`, and the exception
says that there is none.
"""

import queue

from ftstress import together

FOUND_BY = ("schedules",)


def work(jobs):
    while not jobs.empty():
        jobs.get(timeout=5)  # without the timeout it would hang


def work_nowait(jobs):
    while True:
        try:
            jobs.get_nowait()
        except queue.Empty:
            return


def run(function):
    jobs = queue.Queue()
    jobs.put(1)
    together(lambda: function(jobs), lambda: function(jobs))


def racy():
    run(work)


def mended():
    run(work_nowait)
