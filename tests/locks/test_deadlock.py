"""The watchdog: classic deadlocks it finds, their look-alikes, thresholds, breaking."""

import importlib
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.thread import _WorkItem
from time import perf_counter_ns

import pytest
from locks.deadlocks.threads import BOUND_SECONDS
from locks.races import started, wait_until

import ftlocks
from ftlocks import DeadlockError, KeyedLock, Lock, RLock, RWLock, UpgradeError, _outside, watchdog

NEVER = 3600.0  # seconds between looks: the tests look themselves


def program(name):
    return importlib.import_module(f"locks.deadlocks.{name}").main


class Time:
    """The watchdog's clock: the real one, put forward by hand."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return perf_counter_ns() + int(self.ahead * 1e9)


def look_until_found(dog):
    """The findings of the first look that finds something."""
    found = []
    wait_until(lambda: found.extend(dog.check()) or found)
    return found


def run_to_deadlock(name, **options):
    """A program's deadlock: the findings and, once it is broken, how its threads ended."""
    with watchdog(interval=NEVER, break_deadlocks=True, **options) as dog:
        run = started(program(name))
        with run:
            found = look_until_found(dog)
            outcomes = run.join()
        assert dog.check() == []
    return found, outcomes


def test_two_threads_in_opposite_orders():
    (report,), outcomes = run_to_deadlock("abba")

    assert report.kind == "deadlock"
    by_name = {thread.name: thread for thread in report.threads}
    assert by_name.keys() == {"transfer", "review"}
    assert by_name["transfer"].holding == ("Lock 'accounts'",)
    assert by_name["transfer"].waits_for == "Lock 'audit'"
    assert by_name["transfer"].held_by == ("review",)
    text = str(report)
    assert "2 threads wait for each other: " in text
    assert "in main.<locals>.transfer" in text
    assert "\n        with audit:\n" in text
    assert "_bootstrap" not in text  # every thread has it; it says nothing
    error = outcomes[report.victim]
    assert isinstance(error, DeadlockError)
    assert error.report == report
    (survivor,) = {"transfer", "review"} - {report.victim}
    assert outcomes[survivor] is None


def test_the_victim_is_the_last_to_begin_waiting():
    a, b = Lock("a", statistics=True), Lock("b", statistics=True)
    go_on = threading.Event()

    def first():
        with a, b:
            pass

    def second():
        with b:
            go_on.set()
            wait_until(lambda: b.statistics().waiting == 1)
            with a:
                pass

    with watchdog(interval=NEVER, break_deadlocks=True) as dog:
        later = started(second, name="later")
        with pytest.raises(DeadlockError), later:  # noqa: PT012  the thread ends in the block
            go_on.wait(BOUND_SECONDS)
            with started(first):
                (report,) = look_until_found(dog)
    assert report.victim == "later"


def test_three_parties_with_three_sorts_of_locks():
    (report,), _ = run_to_deadlock("three_parties")

    assert [thread.waits_for for thread in sorted(report.threads, key=lambda t: t.name)] == [
        "key 'EUR' of KeyedLock 'prices'",
        "RLock 'stock'",
        "RWLock 'orders'",
    ]
    names = [thread.name for thread in report.threads]
    assert {"sell -> list_orders", "list_orders -> reprice", "reprice -> sell"} == {
        f"{one} -> {two}" for one, two in zip(names, [*names[1:], names[0]], strict=True)
    }


def test_an_upgrade_by_two_readers_is_refused_by_the_lock_itself():
    outcomes = program("upgrade")()

    for error in outcomes.values():
        assert isinstance(error, UpgradeError)
        assert "holds RWLock 'cache' for reading and cannot wait for writing" in str(error)


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


def test_waiting_for_a_notification_with_the_lock_that_the_notifier_needs():
    with watchdog(interval=NEVER, break_deadlocks=True) as dog:
        run = started(program("condition_misuse"))
        with run:
            (report,) = look_until_found(dog)
            assert report.victim == ""  # not proved: somebody else might notify
            for state in ftlocks.states():
                for waiter in state.waiters:
                    if waiter.thread.name == "take":
                        waiter.interrupt(DeadlockError(report))
            outcomes = run.join()

    assert report.kind == "possible deadlock"
    text = str(report)
    assert "has waited" in text
    assert "for Condition 'filled' to be notified, which is up to 'put'" in text
    assert "for Lock 'table', which is up to 'take'" in text
    assert isinstance(outcomes["take"], DeadlockError)
    assert outcomes["put"] is None


def test_a_notification_may_come_from_who_has_given_one_before():
    table, filled = Lock("table", statistics=True), ftlocks.Condition(name="filled")

    def take():
        with table, filled:
            filled.wait()

    def put():  # calls notify, but for the other one this need not be so
        with table, filled:
            filled.notify()

    def notify():
        with filled:
            filled.notify()

    with watchdog(interval=NEVER) as dog:
        for _ in range(2):
            with started(take, "take"):
                wait_until(lambda: filled.statistics().waiting == 1)
                with started(put, "put"):
                    wait_until(lambda: table.statistics().waiting == 1)
                    # In the first round nobody has notified yet: suspicious.
                    found = [report.kind for report in dog.check()]
                    assert found == ([] if filled.statistics().notified else ["possible deadlock"])
                    notify()
        assert filled.statistics().notified == 2


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


def test_a_notified_thread_may_be_stuck_on_its_way_back():
    table, filled = Lock("table", statistics=True), ftlocks.Condition(name="filled")

    def take():
        with table, filled:
            filled.wait()

    def put():
        with filled:
            filled.notify()
            with table:
                pass

    with watchdog(interval=NEVER, break_deadlocks=True) as dog, started(take, "take"):
        wait_until(lambda: filled.statistics().waiting == 1)
        later = started(put, "put")
        later.__enter__()
        (report,) = look_until_found(dog)
        with pytest.raises(DeadlockError):
            later.join()
    assert report.kind == "deadlock"
    assert report.victim == "put"  # the other one has to come back with the lock
    assert {thread.waits_for for thread in report.threads} == {"RLock 'filled'", "Lock 'table'"}


SAFE = ["one_order", "back_off", "condition", "downgrade", "executor", "gate"]


@pytest.mark.parametrize("name", SAFE)
def test_look_alikes_are_silent(name):
    found, looks = [], []
    with (
        ftlocks.check_order(found.append),
        watchdog(interval=NEVER, on_report=found.append) as dog,
    ):
        outcomes = program(f"safe_{name}")(lambda: looks.append(dog.check()))

    assert not [error for error in outcomes.values() if isinstance(error, Exception)]
    assert looks
    assert found == []


@pytest.mark.parametrize("kind", [RLock, Lock])
def test_a_thread_that_waits_for_itself(kind):
    lock = kind("own")

    def twice():
        with lock, lock:
            return "inside twice"

    with watchdog(interval=NEVER, break_deadlocks=True) as dog:
        thread = started(twice, name="twice")
        thread.__enter__()
        if kind is RLock:
            assert thread.join() == "inside twice"
            assert dog.check() == []
        else:
            (report,) = look_until_found(dog)
            assert report.summary == ("thread 'twice' waits for Lock 'own', which it holds itself")
            with pytest.raises(DeadlockError):
                thread.join()
    assert not lock.locked()


def test_a_wait_with_a_timeout_is_no_deadlock():
    a, b = Lock("a", statistics=True), Lock("b", statistics=True)
    meeting = threading.Barrier(2)

    def patient():
        with a:
            meeting.wait(BOUND_SECONDS)
            with b:
                pass

    def impatient():
        with b:
            meeting.wait(BOUND_SECONDS)
            with pytest.raises(DeadlockError):
                a.acquire(timeout=BOUND_SECONDS)

    with watchdog(interval=NEVER) as dog, started(patient), started(impatient, "impatient"):
        wait_until(lambda: a.statistics().waiting == b.statistics().waiting == 1)
        assert dog.check() == []
        end_wait("impatient")


def test_threads_that_wait_for_the_deadlocked_are_named_and_nothing_is_told_twice():
    a, b = Lock("a", statistics=True), Lock("b", statistics=True)
    meeting = threading.Barrier(2)
    errors = []

    def both(one, two):
        try:
            with one:
                meeting.wait(BOUND_SECONDS)
                with two:
                    pass
        except DeadlockError as error:
            errors.append(error)

    def late():
        with a:
            pass

    with watchdog(interval=NEVER) as dog:
        with started(lambda: both(a, b), "first"), started(lambda: both(b, a), "second"):
            (report,) = look_until_found(dog)
            assert report.behind == ()
            with started(late, "late"):
                wait_until(lambda: a.statistics().waiting == 2)
                assert dog.check() == []
                end_wait("first")
        assert dog.check() == []
    assert len(errors) == 1


def end_wait(name):
    """Interrupt a blocked thread, as breaking a deadlock does."""
    for state in ftlocks.states():
        for waiter in state.waiters:
            if waiter.thread.name == name:
                waiter.interrupt(DeadlockError("ended by the test"))


def test_one_look_is_not_believed(monkeypatch):
    """What the first picture shows is reported only when the second shows the same waits."""
    first = threading.Thread(name="first")
    lock = Lock("passing")
    info = lock._info

    def state(*owners):
        waiter = ftlocks.Waiter("exclusive", 0, gated=False)
        return ftlocks.LockState(info, None, owners, (waiter,))

    me = threading.get_ident()
    pictures = [[state(me)], [state(me)]]  # each with a wait of its own
    monkeypatch.setattr("ftlocks._hooks.states", lambda: pictures.pop(0))
    with watchdog(interval=NEVER, long_hold=None, starvation=None) as dog:
        assert dog.check() == []
        assert pictures == []
        same = [state(me)]
        pictures[:] = [same, same]
        assert [report.kind for report in dog.check()] == ["deadlock"]
    assert first.ident is None


def test_a_reader_behind_a_patient_writer_is_part_of_the_ring():
    shared, other = RWLock("shared"), Lock("other", statistics=True)
    reading = threading.Event()

    def reader_first():
        with shared.read():
            reading.set()
            wait_until(lambda: shared.statistics().readers_waiting == 1)
            with other:
                pass

    def writer():
        with shared.write():
            pass

    def reader_later():
        with other:
            reading.wait(BOUND_SECONDS)
            wait_until(lambda: shared.statistics().writers_waiting == 1)
            with shared.read():
                pass

    with watchdog(interval=NEVER) as dog:
        later = started(reader_later, "later")
        with pytest.raises(DeadlockError), later, started(reader_first, "first"):  # noqa: PT012
            reading.wait(BOUND_SECONDS)
            with started(writer, "writer"):
                (report,) = look_until_found(dog)
                end_wait("later")
    assert {thread.name for thread in report.threads} == {"first", "later"}
    assert report.behind == ("writer",)


def test_a_reader_behind_a_writer_that_will_give_up_is_not_stuck():
    shared, other = RWLock("shared"), Lock("other", statistics=True)
    reading = threading.Event()

    def reader_first():
        with shared.read():
            reading.set()
            wait_until(lambda: shared.statistics().readers_waiting == 1)
            with other:
                pass

    def writer():
        with pytest.raises(DeadlockError):
            shared.acquire_write(timeout=BOUND_SECONDS)

    def reader_later():
        with other:
            reading.wait(BOUND_SECONDS)
            wait_until(lambda: shared.statistics().writers_waiting == 1)
            with shared.read():
                pass

    with watchdog(interval=NEVER) as dog, started(reader_later), started(reader_first):
        reading.wait(BOUND_SECONDS)
        with started(writer, "writer"):
            wait_until(lambda: other.statistics().waiting == 1)
            assert dog.check() == []
            end_wait("writer")


@pytest.mark.parametrize("take", ["lock", "rlock", "key", "read", "write"])
def test_a_long_hold_is_reported_once_with_those_who_wait(take):
    time = Time()
    rw, keyed = RWLock("held"), KeyedLock("held")
    blocks = {
        "lock": Lock("held"),
        "rlock": RLock("held"),
        "key": keyed.hold("k"),
        "read": rw.read(),
        "write": rw.write(),
    }
    with watchdog(interval=NEVER, long_hold=10, clock=time) as dog:
        with blocks[take]:
            assert dog.check() == []
            time.ahead = 9
            assert dog.check() == []
            time.ahead = 11
            (report,) = dog.check()
            time.ahead = 30
            assert dog.check() == []
        assert dog.check() == []
    assert report.kind == "long hold"
    assert report.summary.startswith("thread 'MainThread' has held held")
    assert "for at least 11." in report.summary


def test_many_short_holds_are_no_long_one():
    time = Time()
    lock = Lock("busy")
    with watchdog(interval=NEVER, long_hold=10, clock=time) as dog:
        for _ in range(4):
            with lock:
                assert dog.check() == []
                time.ahead += 6


def test_a_waiting_thread_that_others_overtake_starves():
    time = Time()
    lock = Lock("hot", statistics=True)

    def wait():
        with lock:
            pass

    dog = watchdog(interval=NEVER, long_hold=None, starvation=10, clock=time)
    with dog, lock, started(wait, "hungry"):
        wait_until(lambda: lock.statistics().waiting == 1)
        assert dog.check() == []
        time.ahead = 11
        assert dog.check() == []  # one hold that lasts; nobody has overtaken
        # As if another thread had got it in between; a real one might lose the race.
        lock._tally.acquisitions += 1
        (report,) = dog.check()
        assert dog.check() == []
        lock.release()  # within the block, so that the other one gets it
        wait_until(lambda: lock.statistics().waiting == 0)
        lock.acquire()
    assert report.kind == "starvation"
    assert report.summary.startswith("thread 'hungry' has waited 11.")
    assert "for hot, while others got it" in report.summary


def test_findings_are_logged_and_the_thread_finds_them_by_itself(caplog):
    logged = caplog.at_level(logging.WARNING, "ftlocks.watchdog")
    with logged, watchdog(interval=0.01, break_deadlocks=True):
        program("abba")()
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "deadlock: 2 threads wait for each other" in record.getMessage()
    assert record.threadName == "ftlocks-watchdog"


def test_a_report_that_fails_does_not_end_the_watch(caplog):
    reported = threading.Event()

    def fail(report):
        if report.kind == "deadlock":
            reported.set()
        raise OSError("no room")

    with caplog.at_level(logging.ERROR, "ftlocks.watchdog"):
        dog = watchdog(interval=0.01, on_report=fail)
        with started(lambda: run_once_interrupted(reported)):
            pass
        assert dog._thread.is_alive()
        dog.stop()
        dog.stop()
    assert "could not report" in caplog.text


def run_once_interrupted(reported):
    lock = Lock("own")

    def twice():
        with pytest.raises(DeadlockError), lock, lock:
            pass

    with started(twice, "twice"):
        assert reported.wait(BOUND_SECONDS)
        end_wait("twice")


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


def test_an_interval_must_be_positive():
    with pytest.raises(ValueError, match="interval must be positive, got 0 s"):
        watchdog(interval=0)


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
