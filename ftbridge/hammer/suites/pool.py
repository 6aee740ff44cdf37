"""The handler pool: all work that was taken is run, once, by the time it has stopped."""

import threading

from ftbridge.rpc.pool import ElasticPool, HandlerPool
from ftstress.suites._threads import together

MODULES = ("ftbridge.rpc.pool",)


class _Work:
    def __init__(self) -> None:
        self.runs = 0

    def run(self) -> None:
        self.runs += 1


def all_work_is_run_once() -> None:
    pool = HandlerPool(threads=2, limit=10)
    work = [_Work() for _ in range(3)]
    pool.start()
    taken = [pool.submit(one) for one in work]
    assert pool.stop(60.0)
    assert taken == [True, True, True]
    assert [one.runs for one in work] == [1, 1, 1]


def several_submit_and_what_is_refused_is_not_run() -> None:
    pool = HandlerPool(threads=1, limit=1)
    pool.start()
    work = [_Work() for _ in range(2)]
    taken: dict[int, bool] = {}

    def submit(number: int) -> None:
        taken[number] = pool.submit(work[number])

    together(lambda: submit(0), lambda: submit(1))
    assert pool.stop(60.0)
    assert [one.runs for one in work] == [int(taken[number]) for number in range(2)]
    assert pool.refused == sum(not one for one in taken.values())


def work_that_fails_ends_no_thread() -> None:
    class Failing(_Work):
        def run(self) -> None:
            super().run()
            raise SystemExit

    pool = HandlerPool(threads=1, limit=10)
    work = [Failing(), _Work()]
    for one in work:
        assert pool.submit(one)
    pool.start()
    assert pool.stop(60.0)
    assert [one.runs for one in work] == [1, 1]


def the_last_place_is_taken_once() -> None:
    gate = threading.Event()

    class Waiting(_Work):
        def run(self) -> None:
            gate.wait()
            super().run()

    pool = ElasticPool(limit=1)
    work = [Waiting(), Waiting()]
    taken: list[bool] = []
    together(*(lambda one=one: taken.append(pool.submit(one)) for one in work))
    gate.set()
    assert pool.join(60.0)
    assert sorted(taken) == [False, True]
    assert sum(one.runs for one in work) == pool.refused == 1


def each_stream_has_a_thread() -> None:
    pool = ElasticPool(limit=5)
    work = [_Work() for _ in range(2)]

    def look() -> None:
        assert pool.busy <= 2

    together(*(lambda one=one: pool.submit(one) for one in work), look)
    assert pool.join(60.0)
    assert [one.runs for one in work] == [1, 1]
    assert pool.refused == 0
