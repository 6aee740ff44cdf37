"""`Condition`: no notification is lost between looking and waiting. `Barrier`: nobody is early."""

import threading
from _thread import allocate_lock

import pytest
from locks.races import CALLED_OFF_SECONDS, SURE_SECONDS, Unlocked, started, wait_until

import ftlocks
from ftlocks import (
    Barrier,
    Condition,
    Lock,
    LockMisuseError,
    Observer,
    RLock,
    WouldBlockError,
    observing,
)
from ftstress import run_parallel

LOCKS = pytest.mark.parametrize("lock", [Lock, RLock, threading.Lock, threading.RLock])


@pytest.mark.parametrize("weakened", [False, True])
def test_a_notification_cannot_come_between_looking_and_waiting(weakened):
    condition = Condition(Unlocked() if weakened else None)
    looked, notified = threading.Event(), threading.Event()

    def wait():
        with condition:
            looked.set()  # and found that there is reason to wait
            notified.wait(SURE_SECONDS if weakened else CALLED_OFF_SECONDS)
            return condition.wait(CALLED_OFF_SECONDS if weakened else SURE_SECONDS)

    def notify():
        looked.wait(SURE_SECONDS)
        with condition:
            condition.notify()
        notified.set()

    woken, _ = run_parallel(wait, notify)

    assert woken is not weakened


@LOCKS
def test_waiting_lets_go_of_the_lock_and_takes_it_again(lock):
    condition = Condition(lock())
    log = []

    def wait():
        with condition:
            assert condition.wait(SURE_SECONDS)
            log.append("woken")

    with started(wait) as waiting:
        wait_until(lambda: condition.statistics().waiting == 1)
        with condition:
            condition.notify()
            log.append("notified")
        waiting.join()
    assert log == ["notified", "woken"]
    assert condition.acquire_nowait()
    condition.release()


def test_a_wait_lets_go_of_a_lock_that_is_held_twice():
    condition = Condition()
    entered = threading.Event()

    def enter():
        with condition:
            entered.set()
            condition.notify()

    with condition, condition, started(enter):
        assert condition.wait(SURE_SECONDS)
        assert entered.is_set()
        assert condition._lock._recursion_count() == 2


def test_the_longest_waiting_are_notified_first():
    condition = Condition()
    log = []
    threads = []
    for number in range(3):

        def wait(number=number):
            with condition:
                condition.wait()
                log.append(number)

        threads.append(started(wait).__enter__())
        wait_until(lambda number=number: condition.statistics().waiting == number + 1)
    for number in range(3):
        with condition:
            condition.notify()
        threads[number].join()
    assert log == [0, 1, 2]
    assert condition.statistics().notified == 3


def test_waiting_for_a_predicate():
    condition = Condition()
    items = []

    def take():
        with condition:
            return condition.wait_for(lambda: items and items.pop())

    with started(take) as taking:
        wait_until(lambda: condition.statistics().waiting == 1)
        with condition:
            condition.notify_all()
        wait_until(lambda: condition.statistics().waits == 1)
        with condition:
            items.append("item")
            condition.notify_all()
    assert taking.result == "item"
    with condition:
        assert condition.wait_for(list, timeout=0.01) == []


def test_use_without_the_lock_names_thread_and_condition():
    condition = Condition(name="jobs")
    for use in (condition.wait, condition.notify, condition.notify_all):
        with pytest.raises(LockMisuseError, match=r"'MainThread' cannot .* un-acquired .*'jobs'"):
            use()
    with condition:

        def attempt():
            with pytest.raises(WouldBlockError, match=r"'jobs' is held"):
                condition.acquire_nowait()

        run_parallel(attempt)


def test_entering_a_condition_is_entering_its_lock():
    condition = Condition(Lock())
    assert type(condition.__enter__) is type(allocate_lock().acquire)
    with observing(Observer()):
        with condition:
            assert condition._lock.statistics().acquisitions == 1
        with condition:
            condition.wait(0.01)
    assert type(condition.__enter__) is type(allocate_lock().acquire)
    assert condition._lock.statistics().contentions == 0


def test_waits_are_told_and_seen_and_can_be_interrupted():
    condition = Condition(name="jobs")
    told = []

    class Watcher(Observer):
        def waited(self, lock, mode, waited_ns, granted):
            told.append((lock.label, mode, granted))

    def wait():
        with condition:
            condition.wait()

    with observing(Watcher()), started(wait) as waiting:
        wait_until(lambda: condition.statistics().waiting == 1)
        assert repr(condition).startswith("<ftlocks.Condition 'jobs' waiting=1 lock=<unlocked")
        states = [state for state in ftlocks.states() if state.info is condition._info]
        ((waiter,),) = [state.waiters for state in states]
        assert waiter.thread is waiting.thread
        waiter.interrupt(LookupError("nobody is left to notify"))
        with pytest.raises(LookupError):
            waiting.join()
        waiting.error = None
    assert told == [("jobs", "condition", False)]
    assert condition.statistics().waiting == 0
    assert condition.statistics().timeouts == 1


class Leaky(Barrier):
    """Does not wait for the others."""

    def wait(self, timeout=None):
        return 0


@pytest.mark.parametrize("kind", [Barrier, Leaky])
def test_nobody_passes_a_barrier_before_all_have_come(kind):
    barrier = kind(2)
    came = []

    def meet():
        barrier.wait()
        return list(came)

    with started(meet) as early:
        if kind is Barrier:
            wait_until(lambda: barrier.n_waiting == 1)
        else:
            early.join()
        came.append("late")
        barrier.wait()

    assert early.result == (["late"] if kind is Barrier else [])


def test_a_barriers_rounds_are_counted_and_its_waiters_known():
    barrier = Barrier(2, name="start")
    places = run_parallel(barrier.wait, barrier.wait, rounds=3)
    assert sorted(places) == [0, 0, 0, 1, 1, 1]
    figures = barrier.statistics()
    assert (figures.rounds, figures.waiting, figures.broken) == (3, 0, False)

    def meet():
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()

    with started(meet) as early:
        wait_until(lambda: barrier.n_waiting == 1)
        assert "'start' at" in repr(barrier)
        (state,) = [state for state in ftlocks.states() if state.info is barrier._cond._info]
        assert state.info.kind == "Barrier"
        assert [waiter.thread for waiter in state.waiters] == [early.thread]
        barrier.abort()
    assert barrier.statistics().broken


def test_a_queue_that_changes_while_it_is_looked_at_is_looked_at_again():
    """A deque that another thread changes raises in the middle of a copy; seen on 3.13.5t."""

    class Changing(list):
        changes = 3

        def __iter__(self):
            if self.changes:
                self.changes -= 1
                raise RuntimeError("deque mutated during iteration")
            return super().__iter__()

    condition = ftlocks.Condition()
    waiter = ftlocks.Waiter("condition", 0, gated=False)
    condition._queue = Changing([waiter])
    (state,) = condition._states()
    assert state.waiters == (waiter,)
