"""Every thread of a pool runs a task that waits for another task of the same pool."""

from concurrent.futures import ThreadPoolExecutor

from locks.deadlocks.threads import Meeting, run_all


def main():
    pool = ThreadPoolExecutor(2, thread_name_prefix="crawl")
    all_busy = Meeting(2)

    def page():
        all_busy.meet()
        return pool.submit(len, "image").result()

    def crawl():
        tasks = [pool.submit(page) for _ in range(2)]
        return [task.result() for task in tasks]

    try:
        return run_all(crawl=crawl)
    finally:
        pool.shutdown(cancel_futures=True)
