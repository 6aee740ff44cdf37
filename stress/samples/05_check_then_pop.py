"""Workers take jobs from a list as long as there are any.

Between the check and `pop()` another worker may take the last job: IndexError. `pop()` by itself is
atomic. Mended: only `pop()`, and the exception says that there are none.
"""

import threading


def together(function, *arguments):
    threads = [threading.Thread(target=function, args=arguments) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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
    together(work_checked, [1])  # a single job, so that the sample itself cannot fail on its own


def mended():
    together(work, [1, 2, 3])
