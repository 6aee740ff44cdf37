"""Waits for pools, threads and `threading`'s own primitives, as a watchdog sees them."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.thread import _WorkItem

import pytest
from locks.races import started, wait_until
from locks.watching import NEVER, look_until_found, run_to_deadlock

from ftlocks import DeadlockError, Lock, _outside, watchdog


def test_a_pool_whose_every_task_waits_for_a_task_of_the_same_pool():
    (report,), _ = run_to_deadlock("executor_self_wait")

    assert sorted(thread.name for thread in report.threads) == ["crawl_0", "crawl_1"]
    assert report.threads[0].waits_for == (
        "work that waits for a thread of executor 'crawl', which has 2"
    )
    assert "crawl" in report.behind
    assert "pool.submit(len" in str(report)


def test_a_pool_of_one_thread_waits_for_itself():
    with ThreadPoolExecutor(1, "single") as pool, watchdog(interval=NEVER) as dog:
        inner = []

        def outer():
            inner.append(pool.submit(int))
            return inner[0].result()

        task = pool.submit(outer)
        (report,) = look_until_found(dog)
        assert report.summary == (
            "thread 'single_0' waits for work that waits for a thread of executor 'single', "
            "which has 1, and is that thread itself"
        )
        assert inner[0].cancel()
        assert task.exception() is not None


def test_joining_a_thread_that_needs_what_one_holds():
    (report,), outcomes = run_to_deadlock("join_with_lock")

    assert {thread.waits_for for thread in report.threads} == {
        "the end of thread 'flush'",
        "Lock 'state'",
    }
    assert outcomes["stop"] is None or isinstance(outcomes["stop"], DeadlockError)


@pytest.mark.parametrize("sort", ["condition", "event"])
def test_waits_of_threading_count_as_well(sort):
    table = Lock("table", statistics=True)
    filled, flag = threading.Condition(), threading.Event()
    waiting = []

    def take():
        if sort == "condition":
            with table, filled:
                waiting.append(True)
                filled.wait()
        else:
            with table:
                waiting.append(True)
                flag.wait()

    def notify():
        with table, filled:
            filled.notify()

    def set_it():
        with table:
            flag.set()

    with watchdog(interval=NEVER) as dog, started(take, "take"):
        wait_until(lambda: waiting)
        with started(notify if sort == "condition" else set_it, "put"):
            (report,) = look_until_found(dog)
            with filled:  # for the end of the test, by one that does not need the table
                filled.notify_all()
            flag.set()
    assert report.kind == "possible deadlock"
    assert {thread.name for thread in report.threads} == {"take", "put"}
    assert f"for a {sort} of threading's to be " in str(report)


def replaced():
    return (
        threading.Thread.join,
        threading.Condition.wait,
        Future.result,
        Future.exception,
        _WorkItem.__init__,
        _WorkItem.run,
    )


def test_it_leaves_everything_as_it_was():
    before = replaced()
    lock = Lock()
    dog = watchdog(interval=NEVER)
    assert not set(replaced()) & set(before)
    assert lock.statistics().observed
    dog.stop()
    dog.start()
    dog.stop()

    assert replaced() == before
    assert not lock.statistics().observed


def test_it_stands_on_what_others_have_replaced_and_below_what_they_replace_later(monkeypatch):
    called = []

    def around(name):
        below = Future.result

        def result(self, timeout=None):
            called.append(name)
            return below(self, timeout)

        monkeypatch.setattr(Future, "result", result)
        return result

    around("earlier")
    dog = watchdog(interval=NEVER)
    later = around("later")
    with dog, ThreadPoolExecutor(1) as pool:
        assert pool.submit(int).result() == 0
    assert called == ["later", "earlier"]
    assert Future.result is later
    with watchdog(interval=NEVER), ThreadPoolExecutor(1) as pool:
        assert pool.submit(int).result() == 0
    assert called == ["later", "earlier"] * 2
    monkeypatch.undo()
    _outside._RESULT._standing = False


def test_what_it_replaces_works_as_before():
    with watchdog(interval=NEVER), ThreadPoolExecutor(1) as pool:
        assert pool.submit(int, "7").result() == 7
        assert isinstance(pool.submit(int, "x").exception(), ValueError)
        never = Future()
        with pytest.raises(TimeoutError):
            never.result(timeout=0)
        with pytest.raises(RuntimeError, match="cannot join current thread"):
            threading.current_thread().join()
        with pytest.raises(RuntimeError, match="before it is started"):
            threading.Thread().join()
