"""Drop-in locks for a program that knows nothing of them."""

import _thread
import copy
import logging
import pickle
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from locks.profiler.contention import profiled
from locks.races import started, wait_until

from ftlocks.profiler.instrument import Instrumentation


@pytest.fixture
def instrumented():
    instrumentation = Instrumentation()
    instrumentation.install()
    try:
        yield instrumentation
    finally:
        instrumentation.remove()


def _labels(run):
    return {lock.label.partition(" made at ")[0]: lock for lock in run.report().locks}


def test_everything_is_put_back():
    import tempfile

    names = [
        (threading, "Lock"),
        (threading, "RLock"),
        (_thread, "allocate_lock"),
        (queue, "SimpleQueue"),
        (threading.Condition, "wait"),
        (threading.Thread, "join"),
        (tempfile, "_allocate_lock"),
        (logging, "_lock"),
    ]
    before = [getattr(owner, name) for owner, name in names]
    instrumentation = Instrumentation()
    instrumentation.install()
    during = [getattr(owner, name) for owner, name in names]
    with pytest.raises(RuntimeError, match="instrumented already"):
        instrumentation.install()
    instrumentation.remove()

    assert all(old is not new for old, new in zip(before, during, strict=True))
    assert [getattr(owner, name) for owner, name in names] == before


def test_the_drop_ins_pass_for_c_locks(instrumented):
    lock, again = threading.Lock(), threading.RLock()
    raw = _thread.LockType

    assert isinstance(lock, raw)
    assert isinstance(lock, threading.Lock)
    assert isinstance(threading._allocate_lock(), threading.Lock)  # a C lock is one too
    assert isinstance(again, type(again))
    assert isinstance(_thread.allocate_lock(), raw)
    for each in (lock, again):
        with pytest.raises(TypeError, match="cannot pickle '_thread"):
            pickle.dumps(each)
        with pytest.raises(TypeError):
            copy.deepcopy(each)
        with each:
            pass
    assert repr(lock).startswith("<unlocked ")


def test_the_import_system_and_threading_itself_keep_c_locks(instrumented):
    allocate = _thread.allocate_lock
    namespace = {"__name__": "importlib._bootstrap", "allocate": allocate}
    exec("lock = allocate()", namespace)

    assert type(namespace["lock"]) is _thread.LockType
    assert type(threading._active_limbo_lock).__module__ == "_thread"


def test_locks_are_named_after_what_they_are_in_and_who_made_that(instrumented):
    with profiled() as run:
        things = [
            threading.Lock(),
            threading.RLock(),
            threading.Condition(),
            threading.Semaphore(),
            threading.Event(),
            queue.Queue(),
            logging.NullHandler(),
        ]
        for lock in things[:3]:
            with lock:
                pass
        things[3].acquire()
        things[4].set()
        things[5].put(1)
    locks = run.report().locks

    names = {lock.label for lock in locks}
    kinds = {name.split(" made at ")[0] for name in names}
    assert kinds == {"Lock", "RLock", "Condition", "Semaphore", "Event", "Queue", "logging._lock"}
    assert all(" made at test_instrument.py:" in name for name in names - {"logging._lock"})


def test_waits_for_items_events_and_threads_are_no_contention(instrumented):
    with profiled() as run:
        items, event = queue.Queue(), threading.Event()
        with started(lambda: (items.get(), event.set())):
            wait_until(lambda: items.not_empty._waiters)
            items.put(1)
            assert event.wait(20)
        simple = queue.SimpleQueue()
        with pytest.raises(queue.Empty):
            simple.get(timeout=0.002)
        with pytest.raises(queue.Empty):
            simple.get(block=False)

    report = run.report()
    idle = {(each.label.partition(" made")[0], each.mode): each for each in report.idle}
    assert idle["Queue", "queue"].count == 1
    assert idle["SimpleQueue", "get"].timeouts == 1
    assert idle["Thread.join", "end of a thread"].count == 1
    assert all(lock.gave_up == 0 for lock in report.locks)


def test_executors_and_their_futures_are_seen(instrumented):
    with profiled() as run, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(str, range(4))) == ["0", "1", "2", "3"]

    labels = _labels(run)
    assert {"ThreadPoolExecutor", "Future", "concurrent.futures.thread._global_shutdown_lock"} <= (
        set(labels)
    )
    assert labels["Future"].acquisitions >= 8  # at least set_result and result of each


def test_a_lock_of_a_program_tells_who_held_it(instrumented):
    with profiled() as run:
        lock = threading.Lock()

        def take():
            with lock:
                pass

        with lock:
            thread = threading.Thread(target=take)
            thread.start()
            wait_until(lambda: lock.statistics().waiting == 1)
        thread.join()

    (found,) = [each for each in run.report().locks if each.contentions]
    assert found.holders[0].stack[0].function.startswith("test_a_lock_of_a_program")
