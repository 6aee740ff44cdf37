"""A task gives work to the pool that it runs in, and waits for it.

With as many such tasks as threads, all threads wait, and none is left to do the work. It passes in
tests with few tasks and stops under load. Mended: do it here, or give it to another pool.
"""

from concurrent.futures import ThreadPoolExecutor

FOUND_BY = ("schedules",)


def part():
    return 1


def task(pool):
    return pool.submit(part).result(timeout=5)  # without the timeout it would hang


def task_alone():
    return part()


def racy():
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(task, pool) for _ in range(2)]
        assert [each.result() for each in tasks] == [1, 1]


def mended():
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(task_alone) for _ in range(2)]
        assert [each.result() for each in tasks] == [1, 1]
