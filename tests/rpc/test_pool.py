import threading

import pytest

from ftbridge.rpc.pool import ElasticPool, HandlerPool


class Work:
    def __init__(self, gate: threading.Event | None = None) -> None:
        self.gate = gate
        self.started = threading.Event()
        self.finished = threading.Event()
        self.thread = ""

    def run(self) -> None:
        self.thread = threading.current_thread().name
        self.started.set()
        if self.gate is not None:
            assert self.gate.wait(30)
        self.finished.set()


class Failing(Work):
    def run(self) -> None:
        self.started.set()
        raise SystemExit(3)


def test_work_runs_in_order_on_named_threads() -> None:
    pool = HandlerPool(threads=1, limit=10, name="w")
    pool.start()
    works = [Work() for _ in range(5)]
    assert all(pool.submit(w) for w in works)
    assert works[-1].finished.wait(10)
    assert all(w.finished.is_set() for w in works)
    assert {w.thread for w in works} == {"w-0"}
    assert pool.stop(10)


def test_a_full_queue_refuses_and_loses_nothing() -> None:
    gate = threading.Event()
    pool = HandlerPool(threads=1, limit=2)
    pool.start()
    running, *queued = [Work(gate) for _ in range(3)]
    assert pool.submit(running)
    assert running.started.wait(10)
    assert pool.busy == 1
    assert all(pool.submit(w) for w in queued)
    refused = Work()
    assert pool.refused == 0
    assert not pool.submit(refused)
    assert pool.refused == 1
    assert pool.waiting == 2
    gate.set()
    assert all(w.finished.wait(10) for w in (running, *queued))
    assert not refused.started.is_set()
    assert pool.stop(10)


def test_all_threads_work_at_once() -> None:
    count = 4
    meet = threading.Barrier(count + 1)

    class Meeting:
        def run(self) -> None:
            meet.wait(30)

    pool = HandlerPool(threads=count, limit=10)
    pool.start()
    for _ in range(count):
        assert pool.submit(Meeting())
    meet.wait(30)  # passes only when all of them run at the same time
    assert pool.stop(10)


def test_a_thread_survives_what_its_work_raises() -> None:
    pool = HandlerPool(threads=1, limit=10)
    pool.start()
    assert pool.submit(Failing())
    after = Work()
    assert pool.submit(after)
    assert after.finished.wait(10)
    assert pool.busy == 0 or pool.stop(10)
    assert pool.stop(10)


def test_stop_says_when_something_still_runs() -> None:
    gate = threading.Event()
    pool = HandlerPool(threads=1, limit=10)
    pool.start()
    stuck = Work(gate)
    assert pool.submit(stuck)
    assert stuck.started.wait(10)
    assert not pool.stop(0.0)
    gate.set()
    assert pool.stop(10)


def test_a_pool_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="threads=0"):
        HandlerPool(threads=0, limit=1)


def test_elastic_pool_gives_each_its_thread_up_to_the_limit() -> None:
    gate = threading.Event()
    pool = ElasticPool(limit=2)
    works = [Work(gate) for _ in range(2)]
    assert all(pool.submit(w) for w in works)
    assert not pool.submit(Work())
    assert all(w.started.wait(10) for w in works)
    gate.set()
    assert all(w.finished.wait(10) for w in works)


def test_elastic_pool_has_room_again() -> None:
    pool = ElasticPool(limit=1)
    for _ in range(20):
        work = Work()
        assert pool.submit(work)
        assert pool.join(10)
        assert work.finished.is_set()
    assert pool.busy == 0


def test_each_thread_says_that_it_leaves():
    left = []
    pool = HandlerPool(threads=3, limit=1, on_leave=lambda: left.append(threading.get_ident()))
    pool.start()
    idents = sorted(thread.ident for thread in pool.threads)
    assert pool.stop(30)
    assert sorted(left) == idents
