"""`Event`: waits end when it is set, and not before."""

import pytest
from locks.races import started, wait_until

from ftlocks import Event, Observer, observing
from ftstress import run_parallel


class Hasty(Event):
    """Does not wait."""

    __slots__ = ()

    def wait(self, timeout=None):
        return True


@pytest.mark.parametrize("kind", [Event, Hasty])
def test_what_was_done_before_it_was_set_is_seen_after_the_wait(kind):
    event = kind()
    done = []

    def look():
        event.wait()
        return list(done)

    with started(look) as looking:
        if kind is Event:
            wait_until(lambda: event.statistics().waiting == 1)
        else:
            looking.join()
        done.append("work")
        event.set()

    assert looking.result == (["work"] if kind is Event else [])


def test_setting_lets_all_through_even_if_it_is_cleared_at_once():
    event = Event("start")
    threads = [started(event.wait).__enter__() for _ in range(3)]
    wait_until(lambda: event.statistics().waiting == 3)
    event.set()
    event.clear()
    assert [thread.join() for thread in threads] == [True] * 3
    assert not event.is_set()
    assert event.statistics().waits == 3


def test_a_wait_may_run_out():
    event = Event()
    assert event.wait(0.01) is False
    assert event.wait(0) is False
    event.set()
    assert event.wait(0) is True
    assert event.statistics().waiting == 0


def test_a_set_event_takes_no_lock():
    event = Event()
    event.set()
    with event._mutex:
        assert run_parallel(event.wait, event.is_set) == [True, True]


def test_waits_are_told_and_seen():
    event = Event("start")
    told = []

    class Watcher(Observer):
        def waited(self, lock, mode, waited_ns, granted):
            told.append((lock.label, mode, granted))

    with observing(Watcher()), started(event.wait) as waiting:
        wait_until(lambda: event.statistics().waiting == 1)
        assert repr(event).endswith(": unset waiting=1>")
        assert [waiter.thread for waiter in event._states()[0].waiters] == [waiting.thread]
        event.set()
        waiting.join()

    assert told == [("start", "event", True)]
