"""Locks in contradictory orders and real deadlocks are findings of a run with the detectors on."""

import threading

import pytest

import ftlocks
from ftstress.conversions import finding_of_deadlock, finding_of_order
from ftstress.detection import detecting


def each_on_its_thread(*functions):
    for function in functions:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()


def move(first, second):
    with first, second:
        pass


@pytest.mark.parametrize("make", ["threading.Lock", "threading.RLock", "ftlocks.Lock"])
def test_opposite_orders_are_found_without_a_deadlock(make):
    module, name = make.split(".")
    with detecting() as detector:
        kind = getattr({"threading": threading, "ftlocks": ftlocks}[module], name)
        a = kind()
        b = kind()
        each_on_its_thread(lambda: move(a, b), lambda: move(b, a))
    (report,) = detector.locks.orders()
    assert report.kind == "inversion"
    finding = finding_of_order(report)
    assert finding.kind == "lock-order"
    assert {side.stack[0].function for side in finding.sides} == {"move"}
    assert all("ftstress/" not in frame.file for side in finding.sides for frame in side.stack)
    assert detector.locks.deadlocks() == []


def test_one_order_everywhere_is_silent():
    with detecting() as detector:
        a = threading.Lock()
        b = threading.Lock()
        condition = threading.Condition(a)
        each_on_its_thread(lambda: move(a, b), lambda: move(condition, b))
    assert detector.locks.orders() == []


def test_a_deadlock_is_reported_and_the_run_ends():
    failed = []
    with detecting() as detector:
        a = threading.Lock()
        b = threading.Lock()
        both = threading.Barrier(2)

        def take(first, second):
            with first:
                both.wait(10)
                try:
                    with second:
                        pass
                except ftlocks.DeadlockError as error:
                    failed.append(str(error))

        threads = [
            threading.Thread(target=take, args=locks, name=f"taker {number}")
            for number, locks in enumerate(((a, b), (b, a)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(failed) == 1
    (deadlock,) = detector.locks.deadlocks()
    finding = finding_of_deadlock(deadlock)
    assert {side.thread for side in finding.sides} == {"taker 0", "taker 1"}
    assert "waits for the Lock made at test_lock_order.py:" in failed[0]
    assert {side.stack[0].function.split(".")[-1] for side in finding.sides} == {"take"}


def test_a_wait_with_a_limit_is_no_deadlock():
    with detecting() as detector:
        lock = threading.Lock()
        with lock:
            assert not lock.acquire(timeout=0.01)
    assert detector.locks.deadlocks() == []
    assert detector.locks.orders() == []
