"""What threads block in, under a schedule: it behaves like the original, and is needed."""

import queue
import threading
import time
from _thread import allocate_lock
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

import ftlocks
from ftstress import ScheduleFailure, UncontrolledError, explore, model_threads, models
from ftstress.control import Run
from stress import classics

ITERATIONS = 40


def passes(test, **options):
    assert explore(test, iterations=ITERATIONS, max_steps=3000, **options).failure is None


def failure_of(test, **options):
    found = explore(test, iterations=ITERATIONS, max_steps=3000, raises=False, **options)
    assert found.failure is not None
    return found.failure.failure


# Each mended classic that a weakened model makes fail: were the model as weak by mistake, the
# tests of silence in test_exploration.py would fail in the same way.
WEAKENINGS = [
    (models.Lock, "_is_free", lambda self: True, classics.check_then_act_mended),
    (
        models.Lock,
        "acquire",
        lambda self, *a, **k: self._take(None) or True,
        classics.lost_update_mended,
    ),
    (models.Condition, "notify", lambda self, n=1: None, classics.buffer_if_mended),
    (models.Condition, "wait", lambda self, timeout=None: True, classics.lost_wakeup_mended),
    (model_threads.Handle, "has_ended", lambda self: True, classics.lost_update_mended),
    (models.SimpleQueue, "put", lambda self, item, *a: None, classics.future_self_wait_mended),
]


@pytest.mark.parametrize(("model", "method", "weak", "test"), WEAKENINGS)
def test_a_weakened_model_makes_a_mended_twin_fail(model, method, weak, test, monkeypatch):
    passes(test)
    monkeypatch.setattr(model, method, weak)
    assert failure_of(test)


def test_locks_conditions_and_events_keep_their_rules():
    def test():
        lock = threading.Lock()
        assert lock.acquire()
        assert not lock.acquire(False)
        assert lock.locked()
        assert not lock.acquire(timeout=3)
        lock.release()
        with pytest.raises(RuntimeError, match="release unlocked lock"):
            lock.release()
        with pytest.raises(ValueError, match="timeout"):
            lock.acquire(False, 1)
        again = threading.RLock()
        with again, again:
            pass
        with pytest.raises(RuntimeError, match="un-acquired"):
            again.release()
        condition = threading.Condition()
        with condition:
            assert not condition.wait(5)
            assert not condition.wait_for(lambda: False, 1)
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.wait()
        event = threading.Event()
        assert not event.wait(1)
        event.set()
        assert event.wait()
        semaphore = threading.BoundedSemaphore(1)
        assert semaphore.acquire()
        assert not semaphore.acquire(timeout=2)
        semaphore.release()
        with pytest.raises(ValueError, match="too many times"):
            semaphore.release()

    passes(test)


def test_queues_keep_their_rules():
    def test():
        for kind in (queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue):
            items = kind()
            seen = []

            def take(items=items, seen=seen):
                seen.extend(items.get() for _ in range(2))

            taker = Thread(target=take)
            taker.start()
            items.put(1)
            items.put(2)
            taker.join()
            assert sorted(seen) == [1, 2]
            with pytest.raises(queue.Empty):
                items.get(timeout=1)
            with pytest.raises(queue.Empty):
                items.get_nowait()
        full = queue.Queue(1)
        full.put(1)
        with pytest.raises(queue.Full):
            full.put(2, timeout=1)

    passes(test)


def test_a_wait_takes_virtual_time_only():
    def test():
        before, wall = time.monotonic(), time.time()
        time.sleep(3600)
        assert 3600 <= time.monotonic() - before < 3601
        assert 3600 <= time.time() - wall < 3601
        fired = []
        timer = threading.Timer(60, fired.append, [1])
        timer.start()
        timer.join(30)
        assert not fired
        timer.join()
        assert fired
        cancelled = threading.Timer(60, fired.append, [2])
        cancelled.start()
        cancelled.cancel()
        cancelled.join()
        assert fired == [1]

    started = time.monotonic()
    passes(test)
    assert time.monotonic() - started < 3600


def test_with_timeouts_at_any_moment_a_sleep_orders_nothing():
    def test():
        done = []
        thread = Thread(target=lambda: done.append(1))
        thread.start()
        time.sleep(1)
        assert done

    passes(test)
    assert failure_of(test, timeouts="any").type == "AssertionError"


def test_executors_futures_and_barriers_are_the_real_code_over_the_models():
    def test():
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(abs, (-1, -2, -3))) == [1, 2, 3]
            with pytest.raises(ZeroDivisionError):
                pool.submit(lambda: 1 // 0).result(5)
        barrier = threading.Barrier(2)
        places = []
        classics.together(*[lambda: places.append(barrier.wait()) for _ in range(2)])
        assert sorted(places) == [0, 1]

    passes(test)


def test_an_executor_that_was_not_shut_down_is_no_deadlock():
    def test():
        assert ThreadPoolExecutor(1).submit(abs, -1).result() == 1

    passes(test)


def test_threads_have_idents_names_and_ends():
    def test():
        class Worker(Thread):
            def run(self):
                assert threading.current_thread() is self
                assert threading.get_ident() == self.ident

        worker = Worker(name="worker")
        worker.start()
        assert worker.ident
        assert not worker.daemon
        worker.join()
        assert not worker.is_alive()

    passes(test)


def test_ftlocks_primitives_are_modelled():
    def upgrade():
        lock = ftlocks.RWLock()
        state = {"value": 0}

        def add():
            with lock.read():
                value = state["value"]
            with lock.write():
                state["value"] = value + 1

        classics.together(add, add)
        assert state["value"] == 2

    def exclusive():
        lock, keyed = ftlocks.Lock(), ftlocks.KeyedLock()
        channel = ftlocks.Channel(1)
        once = ftlocks.Once()
        state = {"lock": 0, "keyed": 0}

        def add():
            once.call(list)
            with lock:
                state["lock"] += 1
            with keyed.hold("key"):
                state["keyed"] += 1
            channel.put(1)

        classics.together(add, add, channel.get, channel.get)
        assert state == {"lock": 2, "keyed": 2}

    assert failure_of(upgrade).type == "AssertionError"
    passes(exclusive)


module_lock = threading.Lock()


def test_a_modules_own_lock_is_modelled_and_free_in_every_run():
    def test():
        a = threading.Lock()

        def first():
            with module_lock, a:
                pass

        def second():
            with a, module_lock:
                pass

        classics.together(first, second)

    failure = failure_of(test)
    assert failure.kind == "deadlock"
    assert "main.1" in failure.message
    assert not module_lock.locked()
    with module_lock:
        pass


def test_what_was_modelled_is_as_before_afterwards():
    before = (threading.Lock, threading.Condition, queue.SimpleQueue, time.sleep, allocate_lock)
    names = dict(vars(threading))
    failure_of(classics.abba)
    assert before == (
        *(threading.Lock, threading.Condition, queue.SimpleQueue, time.sleep),
        allocate_lock,
    )
    assert vars(threading) == names


def test_other_threads_have_the_originals_meanwhile():
    kinds = []

    def outside():
        kinds.append(type(threading.Lock()))
        queue.SimpleQueue().put(1)
        event = threading.Event()
        event.set()
        event.wait()

    def progress(runs):
        thread = Thread(target=outside)
        thread.start()
        thread.join()

    explore(classics.lost_update_mended, iterations=3, progress=progress)
    assert kinds == [type(allocate_lock())] * 3


def test_a_block_in_something_that_is_not_modelled_is_named(monkeypatch):
    monkeypatch.setattr(Run, "STALL_SECONDS", 1.0)
    blocked = allocate_lock()
    blocked.acquire()

    def test():
        blocked.acquire()

    with pytest.raises(UncontrolledError, match="not modelled") as caught:
        explore(test, iterations=1)
    blocked.release()
    assert "blocked.acquire()" in str(caught.value)


def test_an_object_of_a_run_that_is_used_outside_says_so():
    kept = []

    def test():
        lock = threading.Lock()
        lock.acquire()
        kept.append(lock)

    explore(test, iterations=1)
    with pytest.raises(RuntimeError, match="made under a schedule"):
        kept[0].acquire()


def test_an_exception_on_any_thread_is_a_failure():
    def test():
        classics.together(lambda: 1 // 0)

    with pytest.raises(ScheduleFailure, match=r"ZeroDivisionError in main\.1"):
        explore(test)
