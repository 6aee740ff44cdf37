"""A thread that releases and ends while a waiter looks at it has not died holding the lock."""

import threading

import pytest

from ftlocks import KeyedLock, RLock, RWLock

WAIT = 20.0  # seconds; only ever used up when something is broken


def _keyed():
    lock = KeyedLock("k")
    return "ftlocks.keyed", lambda: lock.hold(1), lambda: lock.acquire(1)


def _reentrant():
    lock = RLock("r", statistics=True)
    return "ftlocks._watch", lambda: lock, lock.acquire


def _read_write():
    lock = RWLock("rw")
    return "ftlocks._rwcore", lock.read, lock.acquire_write


@pytest.mark.parametrize("make", [_keyed, _reentrant, _read_write])
def test_a_holder_that_ends_between_two_looks_is_no_dead_owner(make, monkeypatch):
    module, held, acquire = make()
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with held():
            entered.set()
            assert leave.wait(WAIT)

    holder = threading.Thread(target=hold)

    def is_alive(thread):
        """By the time the waiter has its answer, the holder has left the lock and ended."""
        assert thread is holder
        leave.set()
        holder.join(WAIT)
        return thread.is_alive()

    monkeypatch.setattr(f"{module}.is_alive", is_alive)
    holder.start()
    assert entered.wait(WAIT)
    acquire()
    assert leave.is_set()
    assert not holder.is_alive()
