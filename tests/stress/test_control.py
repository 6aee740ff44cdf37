"""The scheduler: ends of runs, deadlock, livelock, and what happens to threads afterwards."""

import threading
import time
from threading import Lock, Thread

import pytest

from ftstress import explore
from stress import classics


def failure_of(test, **options):
    found = explore(test, iterations=30, raises=False, **options)
    assert found.failure is not None
    return found.failure.failure


def test_a_deadlock_names_every_thread_lock_and_holder():
    failure = failure_of(classics.abba)
    assert failure.kind == "deadlock"
    for part in ("main.1 (<lambda>) waits for the Lock of classics.py:", "held by main.2"):
        assert part in failure.message


def test_waiting_for_oneself_is_a_deadlock():
    def test():
        lock = Lock()
        with lock, lock:
            pass

    assert "main (test) waits for the Lock of" in failure_of(test).message


def test_two_threads_that_keep_giving_way_are_a_livelock():
    def test():
        a, b = Lock(), Lock()

        def politely(mine, other):
            while True:
                with mine:
                    if other.acquire(False):
                        other.release()

        classics.together(lambda: politely(a, b), lambda: politely(b, a))

    failure = failure_of(test, max_steps=500)
    assert failure.kind == "livelock"
    assert "not over after 500 steps" in failure.message
    assert "main.2" in failure.message


def test_a_thread_that_spins_lets_the_others_through():
    def test():
        flag = []
        thread = Thread(target=lambda: flag.append(1))
        thread.start()
        while not flag:
            pass
        while thread.is_alive():
            time.sleep(0)

    for strategy in ("pct", "random", "dfs"):
        assert explore(test, iterations=5, strategy=strategy, raises=False).failure is None


def test_daemons_end_with_the_test_and_others_are_waited_for():
    ended = []

    def test():
        daemon = Thread(target=threading.Event().wait, daemon=True)
        daemon.start()
        other = Thread(target=lambda: (time.sleep(5), ended.append(1)))
        other.start()

    explore(test, iterations=5)
    assert len(ended) == 5


def test_no_thread_is_left_after_a_run_that_failed():
    def test():
        lock = Lock()

        def stubborn():
            while True:
                try:
                    with lock:
                        lock.acquire()
                except BaseException:
                    pass

        threads = [Thread(target=stubborn) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    before = set(threading.enumerate())  # some may be another test's, and end meanwhile
    assert failure_of(classics.abba).kind == "deadlock"
    assert set(threading.enumerate()) <= before
    assert failure_of(test).kind == "deadlock"  # a thread that cannot be ended is left asleep


def test_cleaning_up_is_let_through():
    cleaned = []

    def test():
        lock = Lock()
        try:
            with lock:
                lock.acquire()
        finally:
            with lock:
                cleaned.append(1)

    assert failure_of(test).kind == "deadlock"
    assert cleaned


def test_an_exploration_within_another_is_refused():
    def test():
        explore(classics.abba, iterations=1)

    failure = failure_of(test)
    assert failure.type == "RuntimeError"
    assert "another test is being explored" in failure.message


def test_two_explorations_at_once_do_not_leave_models_behind():
    original = threading.Lock
    refused = []

    def second(runs):
        def try_it():
            with pytest.raises(RuntimeError, match="another test is being explored"):
                explore(classics.abba, iterations=1)
            refused.append(1)

        thread = Thread(target=try_it)
        thread.start()
        thread.join()

    explore(classics.lost_update_mended, iterations=2, progress=second)
    assert len(refused) == 2
    assert threading.Lock is original
