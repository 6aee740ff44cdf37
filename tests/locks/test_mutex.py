"""`Lock` and `RLock`: exclusion, the C fast path, and what observation adds to it."""

import _thread
import copy
import pickle
import subprocess
import sys
import threading
import time
from _thread import allocate_lock
from collections import deque

import pytest
from locks.races import SURE_SECONDS, Rendezvous, Unlocked, started, wait_until

import ftlocks
from ftlocks import (
    AcquireTimeoutError,
    Lock,
    LockMisuseError,
    Observer,
    OwnerDiedError,
    RLock,
    WouldBlockError,
    _records,
    mutex,
    observing,
)
from ftstress import run_parallel

KINDS = [Lock, RLock]


@pytest.fixture(params=[False, True], ids=["bare", "observed"])
def observed(request):
    return request.param


@pytest.mark.parametrize("weakened", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_one_thread_at_a_time_is_inside(kind, observed, weakened, monkeypatch):
    if weakened:
        c_part = "allocate_lock" if kind is Lock else "_CRLock"
        monkeypatch.setattr(f"ftlocks.mutex.{c_part}", Unlocked)
    lock = kind(statistics=observed)
    inside = Rendezvous(expected=weakened)

    def enter():
        with lock:
            return inside.meet()

    assert run_parallel(enter, enter) == [weakened] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_pays_for_what_nobody_observes(kind):
    lock = kind()

    for method in (lock.acquire, lock.release, lock.__enter__, lock.__exit__):
        assert type(method) is type(allocate_lock().acquire)


@pytest.mark.parametrize("kind", KINDS)
def test_observation_reaches_locks_that_exist_and_leaves_them(kind):
    lock = kind("old")
    with lock:
        pass
    ftlocks.observe()
    try:
        with lock, kind("new") as _:
            statistics = lock.statistics()
    finally:
        ftlocks.observe(False)

    assert statistics.observed
    assert statistics.owner.name == "MainThread"
    assert lock.statistics().acquisitions == 1
    assert not lock.statistics().observed
    test_nobody_pays_for_what_nobody_observes(lambda: lock)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_across_the_switch_is_neither_lost_nor_measured(kind):
    lock = kind()
    lock.acquire()
    with observing(Observer()):
        lock.release()
        lock.acquire()
    lock.release()
    with observing(Observer()):
        assert lock.acquire(False)
        lock.release()
        assert not lock.locked()
    assert lock.statistics().acquisitions == 2
    assert lock.statistics().holds_timed == 1


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_count_waits_and_holds(kind):
    lock = kind("hot", statistics=True)

    def wait_for_it():
        with lock:
            pass

    with lock, started(wait_for_it) as waiting:
        wait_until(lambda: lock.statistics().waiting == 1)
        assert repr(lock).startswith(f"<locked ftlocks.{kind.__name__} object 'hot' owner=Main")
        assert "waiting=1" in repr(lock)
        state = next(state for state in ftlocks.states() if state.info is lock._info)
        assert state.owners == (threading.get_ident(),)
        assert [waiter.thread for waiter in state.waiters] == [waiting.thread]
        lock.release()  # within the block, so that the other one gets it
        waiting.join()
        lock.acquire()

    figures = lock.statistics()
    assert figures.acquisitions == 3
    assert figures.contentions == 1
    assert figures.holds_timed == 3
    assert 0 < figures.wait_max_ns == figures.wait_total_ns
    assert 0 < figures.hold_max_ns <= figures.hold_total_ns
    assert figures.owner is None
    assert figures.waiting == 0


def test_a_reentrant_acquisition_counts_once():
    lock = RLock(statistics=True)
    with lock, lock, lock:
        assert lock._recursion_count() == 3
    assert lock.statistics().acquisitions == 1
    assert lock.statistics().holds_timed == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_that_is_given_up_is_a_contention(kind, observed):
    lock = kind(statistics=observed)
    with lock:
        assert run_parallel(lambda: lock.acquire(timeout=0.01)) == [False]
        assert run_parallel(lambda: lock.acquire(timeout=0)) == [False]
        assert run_parallel(lambda: lock.acquire(False)) == [False]
    assert lock.statistics().contentions == (1 if observed else 0)
    assert lock.statistics().acquisitions == (1 if observed else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_timeouts_that_make_no_sense_are_refused_as_by_threading(kind, observed):
    lock = kind(statistics=observed)
    with pytest.raises(ValueError, match="non-blocking"):
        lock.acquire(False, 1)
    with pytest.raises(ValueError, match="timeout"):
        lock.acquire(timeout=-2)
    with pytest.raises(OverflowError, match=r"too large|out of range"):
        lock.acquire(timeout=threading.TIMEOUT_MAX + 1)
    assert not lock.locked()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_that_is_held_is_refused_with_the_holders_name(kind):
    lock = kind("ledger", statistics=True)
    with lock:

        def attempt():
            with pytest.raises(WouldBlockError, match=r"'ledger' is held by thread MainThread"):
                lock.acquire_nowait()
            with pytest.raises(AcquireTimeoutError, match=r"MainThread .* after 0\.01 s"):
                lock.within(0.01).__enter__()

        run_parallel(attempt)
    assert lock.acquire_nowait()
    lock.release()
    with lock.within(1):
        assert lock.locked()
    assert not lock.locked()


def test_a_release_by_a_stranger_names_both_threads():
    lock = RLock("ledger", statistics=True)
    with lock:

        def release():
            with pytest.raises(LockMisuseError, match=r"'parallel-0.* released .*ledger.*Main"):
                lock.release()

        run_parallel(release)
    with pytest.raises(LockMisuseError, match="nobody holds"):
        lock.release()
    with pytest.raises(LockMisuseError, match="nobody holds"):
        Lock(statistics=True).release()


@pytest.mark.parametrize("kind", KINDS)
def test_in_development_mode_the_names_come_without_observation(kind, monkeypatch):
    monkeypatch.setattr(mutex, "names_misuse", True)
    lock = kind("ledger")
    with pytest.raises(LockMisuseError, match=r"'MainThread' released .*'ledger', which nobody"):
        lock.release()
    with observing(Observer()):
        pass
    if kind is RLock:
        with (
            lock,
            pytest.raises(LockMisuseError, match=r"'thief' released .* thread MainThread"),
            started(lock.release, "thief"),
        ):
            pass
    lock.acquire()
    lock.release()
    assert not lock.locked()


def test_development_mode_is_pythons():
    program = (
        "import ftlocks\n"
        "try: ftlocks.RLock('ledger').release()\n"
        "except RuntimeError as error: print(type(error).__name__)"
    )
    for option, raised in (("-Xdev", "LockMisuseError"), ("-Xutf8", "RuntimeError")):
        done = subprocess.run(
            [sys.executable, option, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == raised


def test_an_owner_whose_hold_was_not_timed_has_died_all_the_same():
    lock = RLock("ledger")
    with observing(Observer(), sample=1 << 20):
        for _ in range(100):  # the first ones are timed more often
            with lock:
                pass
        with started(lock.acquire, name="careless") as careless:
            pass
        assert lock._watch.owner_thread is None
        ident = careless.thread.ident

        def wait():
            with pytest.raises(OwnerDiedError, match=f"thread {ident} ended without releasing"):
                lock.acquire()

        # In this thread: another one might be given the ident of the one that has ended.
        wait()


def test_a_thread_that_threading_does_not_know_is_no_dead_owner():
    lock = RLock("ledger")
    holding, go_on = allocate_lock(), allocate_lock()
    holding.acquire()
    go_on.acquire()

    def hold():
        with lock:
            holding.release()
            go_on.acquire()

    with observing(Observer(), sample=1 << 20):
        for _ in range(100):
            with lock:
                pass
        _thread.start_new_thread(hold, ())
        holding.acquire()
        assert lock._watch.owner_thread is None
        assert not lock.acquire(timeout=0.3)  # looks at the owner several times
        go_on.release()
        assert lock.acquire(timeout=SURE_SECONDS)
        lock.release()


def test_an_owner_that_died_is_named_to_those_who_wait():
    lock = RLock("ledger", statistics=True)
    with started(lock.acquire, name="careless"):
        pass

    with pytest.raises(OwnerDiedError, match="'careless' ended without releasing"):
        lock.acquire()
    assert lock.statistics().waiting == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocked_thread_can_be_interrupted(kind):
    lock = kind(statistics=True)
    with lock, started(lock.acquire) as blocked:
        wait_until(lambda: lock.statistics().waiting == 1)
        (waiter,) = lock._states()[0].waiters
        waiter.interrupt(LookupError("deadlock"))
        with pytest.raises(LookupError, match="deadlock"):
            blocked.join()
        blocked.error = None
    assert lock.statistics().acquisitions == 1


@pytest.mark.parametrize("kind", KINDS)
def test_observers_are_told_after_the_release_and_never_under_the_lock(kind):
    lock = kind("told")
    told = []

    class Watcher(Observer):
        def wanted(self, info, mode, blocking):
            told.append(("wanted", info.label, blocking, lock.locked()))

        def released(self, hold):
            told.append(("released", hold.lock.label, hold.contended, lock.locked()))
            assert hold.thread == threading.get_ident()
            assert 0 < hold.acquired_ns < time.perf_counter_ns()
            assert hold.held_ns > 0
            assert hold.weight == 1

    with observing(Watcher()):
        with lock:
            pass
        lock.acquire(False)
        lock.release()

    assert told == [
        ("wanted", "told", True, False),
        ("released", "told", False, False),
        ("wanted", "told", False, False),
        ("released", "told", False, False),
    ]


def test_uncontended_holds_are_sampled_and_weighted():
    lock = Lock()
    holds = []

    class Watcher(Observer):
        def released(self, hold):
            holds.append(hold)

    with observing(Watcher(), sample=4):
        for _ in range(1000):
            with lock:
                pass

    weights = [hold.weight for hold in holds]
    # A lock that is rarely taken is timed more often, so that the estimate is good for it too.
    assert weights[:8] == [1] * 8
    assert weights == sorted(weights)
    assert weights[-200:] == [4] * 200
    assert 1000 - 4 < sum(weights) <= 1000
    assert lock.statistics().acquisitions == 1000
    assert lock.statistics().holds_timed == len(weights)


def _make_hot(lock, holds):
    """Take the lock so often that the next hold is none that is sampled."""
    while not holds or holds[-1].weight < 100:
        with lock:
            pass
    holds.clear()


def test_those_who_slip_in_before_a_waiter_are_timed():
    lock = Lock("hot")
    holds = []

    class Watcher(Observer):
        def released(self, hold):
            holds.append(hold)

    def wait_for_it():
        with lock:
            pass

    with observing(Watcher(), sample=1000):
        _make_hot(lock, holds)
        lock.acquire()
        raw = lock._raw
        with started(wait_for_it):
            wait_until(lambda: lock.statistics().waiting == 1)
            watch = lock._watch
            # Let go and take it again before the one who waits can: with the C lock held all along.
            watch._finish(lambda: None)
            watch._acquire = lambda *_: True
            assert watch.acquire(False)
            watch._acquire = raw.acquire
            lock.release()

    # A hold is told when the lock is free again, perhaps after the next one has been.
    first, second, third = sorted(holds, key=lambda hold: hold.acquired_ns)
    assert (first.weight, first.blocking) == (0, 1)
    assert (second.contended, second.blocking) == (False, 1)
    assert second.weight >= 1
    assert second.acquired_ns >= first.acquired_ns + first.held_ns
    assert (third.contended, third.weight) == (True, 1)


def test_a_hold_that_is_not_timed_begins_when_the_one_before_let_go():
    lock = Lock("hot")
    holds = []

    class Watcher(Observer):
        site_depth = 4

        def released(self, hold):
            holds.append(hold)

    def wait_for_it():
        with lock:
            pass

    with observing(Watcher(), sample=1000):
        _make_hot(lock, holds)
        lock.acquire()
        with started(wait_for_it):
            wait_until(lambda: lock.statistics().waiting == 1)
            watch = lock._watch
            (waiter,) = watch.waiters.values()
            # As if this thread had let go and taken it again before the other one woke.
            watch.handed = (threading.get_ident(), waiter.since_ns + 1)
            watch.since = -1
            lock.release()

    first = min(holds, key=lambda hold: hold.weight)
    (blocked,) = first.blocked
    assert first.acquired_ns == waiter.since_ns + 1
    assert blocked.waited_ns == first.held_ns


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_that_was_not_sampled_is_told_if_others_waited_for_it(kind):
    lock = kind("hot")
    holds = []

    class Watcher(Observer):
        def released(self, hold):
            holds.append(hold)

    def wait_for_it():
        with lock:
            pass

    with observing(Watcher(), sample=1000):
        _make_hot(lock, holds)
        lock.acquire()
        with started(wait_for_it) as waiting:
            wait_until(lambda: lock.statistics().waiting == 1)
            (waiter,) = lock._states()[0].waiters
            taken = lock.statistics().acquisitions - 1
            lock.release()

    blocking, blocked = sorted(holds, key=lambda hold: hold.weight)
    assert (blocking.weight, blocking.blocking) == (0, 1)
    assert blocking.thread == threading.get_ident()
    assert blocking.acquired_ns == waiter.since_ns
    assert (blocked.weight, blocked.blocking, blocked.contended) == (1, 0, True)
    assert blocked.thread == waiting.thread.ident
    assert lock.statistics().acquisitions == taken + 2


def test_the_hold_after_a_conditions_wait_stands_for_itself():
    lock = RLock()
    condition = ftlocks.Condition(lock)
    holds = []

    class Watcher(Observer):
        def released(self, hold):
            holds.append(hold)

    with observing(Watcher(), sample=1000):
        _make_hot(lock, holds)
        with condition:
            condition.wait(0.01)

    assert [(hold.weight, hold.contended) for hold in holds] == [(1, False)]


def test_a_sample_must_be_positive():
    with pytest.raises(ValueError, match="got 0"):
        ftlocks.add_observer(Observer(), sample=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_condition_of_threading_stands_on_them(kind, observed):
    lock = kind(statistics=observed)
    condition = threading.Condition(lock)
    ready = []

    def wait():
        with condition:
            return condition.wait_for(lambda: ready, timeout=20)

    with started(wait) as waiting:
        wait_until(lambda: condition._waiters and not lock.locked())  # it sleeps
        with condition:
            ready.append(1)
            condition.notify()
        assert waiting.join()
    assert not lock.locked()
    assert lock.statistics().contentions == 0  # waiting for a condition is not contention


def test_a_lock_without_a_name_is_known_by_where_it_was_made():
    lock = Lock()
    line = test_a_lock_without_a_name_is_known_by_where_it_was_made.__code__.co_firstlineno + 1
    assert lock._info.site == (__file__, line)
    assert lock._info.label == f"Lock made at test_mutex.py:{line}"


def test_a_dropped_lock_leaves_the_registry():
    lock = Lock("dropped")
    assert any(state.info.label == "dropped" for state in ftlocks.states())
    del lock
    assert not any(state.info.label == "dropped" for state in ftlocks.states())


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_would_be_another_lock_and_is_refused(kind):
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=f"cannot pickle or copy '{kind.__name__}'"):
            duplicate(kind())


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_is_complete_when_others_can_see_it(kind, monkeypatch):
    """Observation is switched on, and all locks are looked at, the moment a new one is entered."""
    enter = ftlocks._hooks.enter

    def enter_and_switch(lock):
        enter(lock)
        run_parallel(ftlocks.observe, ftlocks.states)

    monkeypatch.setattr(ftlocks._hooks, "enter", enter_and_switch)
    try:
        lock = kind()
        with lock:
            assert lock.statistics().owner.name == "MainThread"
    finally:
        ftlocks.observe(False)
    assert lock.statistics().acquisitions == 1
    test_nobody_pays_for_what_nobody_observes(lambda: lock)


def test_a_queue_can_be_copied_while_others_change_it():
    queue = deque(range(100))
    stop = threading.Event()

    def change():
        while not stop.is_set():
            queue.append(0)
            queue.popleft()

    def copy_it():
        try:
            return [len(_records.waiting(queue)) for _ in range(300)]
        finally:
            stop.set()

    _, lengths = run_parallel(change, copy_it)
    assert set(lengths) <= {99, 100, 101}
