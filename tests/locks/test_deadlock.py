"""The watchdog: whom it picks, thresholds, reports, and that it goes on."""

import logging
import threading

import pytest
from locks.deadlocks.threads import BOUND_SECONDS
from locks.races import started, wait_until
from locks.watching import NEVER, Time, end_wait, look_until_found, program

from ftlocks import DeadlockError, KeyedLock, Lock, RLock, RWLock, watchdog


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


def test_an_interval_must_be_positive():
    with pytest.raises(ValueError, match="interval must be positive, got 0 s"):
        watchdog(interval=0)
