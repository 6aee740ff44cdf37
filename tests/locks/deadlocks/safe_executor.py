"""Tasks that wait for tasks: of another pool, and of their own while one thread is left to run."""

from concurrent.futures import ThreadPoolExecutor

from locks.deadlocks.threads import Meeting, run_all


def main(at_worst):
    with ThreadPoolExecutor(2, "own") as own, ThreadPoolExecutor(1, "other") as other:
        waiting = Meeting(2)

        def inner():
            waiting.meet()
            at_worst()
            return 1

        def outer(pool):
            task = pool.submit(inner)
            waiting.meet()
            return task.result()

        def ask():
            return own.submit(outer, own).result() + own.submit(outer, other).result()

        return run_all(ask=ask)
