"""`KeyedLock`: one thread per key, and no memory of idle keys."""

import threading

import pytest
from locks.races import SURE_SECONDS, Rendezvous, started, wait_until

import ftlocks
from ftlocks import (
    AcquireTimeoutError,
    KeyedLock,
    LockMisuseError,
    Observer,
    OwnerDiedError,
    WouldBlockError,
    observing,
)
from ftstress import run_parallel


class Forgetful(KeyedLock):
    """Drops a key's entry although somebody waits for it."""

    __slots__ = ()

    def _forget(self, key, entry):
        entry.users -= 1
        self._entries.pop(key, None)


def meeting(lock, keys, *, expected):
    inside = Rendezvous(expected=expected)

    def enter(key):
        with lock.hold(key):
            return inside.meet()

    return run_parallel(*[lambda key=key: enter(key) for key in keys])


def test_one_thread_per_key_is_inside_and_different_keys_do_not_wait():
    assert meeting(KeyedLock(), ["a", "a"], expected=False) == [False, False]
    assert meeting(KeyedLock(), ["a", "b"], expected=True) == [True, True]


@pytest.mark.parametrize("kind", [KeyedLock, Forgetful])
def test_a_key_that_somebody_waits_for_is_not_forgotten(kind):
    """The holder leaves, the waiter enters, a third one comes: it must find the same lock."""
    lock = kind()
    inside = Rendezvous(expected=kind is Forgetful)
    over = threading.Event()

    def enter():
        lock.acquire("a")
        met = inside.meet()
        over.wait(SURE_SECONDS)
        return met

    lock.acquire("a")
    with started(enter) as waiter:
        wait_until(lambda: lock.statistics().waiting == 1)
        entry = lock._entries["a"]
        lock.release("a")
        wait_until(lambda: entry.owner is waiter.thread)
        newcomer = lock.acquire("a", timeout=0.05)
        if newcomer:
            inside.meet()
        over.set()
    assert newcomer is waiter.result is (kind is Forgetful)


def test_idle_keys_take_no_memory():
    lock = KeyedLock()
    for key in range(100):
        with lock.hold(key):
            assert len(lock) == 1
    with lock.hold("a"):
        assert run_parallel(lambda: lock.acquire("a", timeout=0.01)) == [False]
        assert run_parallel(lambda: lock.acquire("a", blocking=False)) == [False]
    assert len(lock) == 0


def test_it_is_reentrant_per_key():
    lock = KeyedLock()
    with lock.hold("a"), lock.hold("a"), lock.hold("b"):
        assert len(lock) == 2
    assert len(lock) == 0
    assert lock.statistics().acquisitions == 2


class Unordered(KeyedLock):
    """Takes several keys in the order in which they are given."""

    __slots__ = ()

    def hold_all(self, *keys, timeout=None):
        return Unordered.Block(self, keys, timeout)

    class Block:
        def __init__(self, lock, keys, timeout):
            self.lock, self.keys, self.timeout = lock, keys, timeout

        def __enter__(self):
            for number, key in enumerate(self.keys):
                if not self.lock.acquire(key, timeout=self.timeout):
                    for taken in self.keys[:number]:
                        self.lock.release(taken)
                    raise AcquireTimeoutError

        def __exit__(self, *_):
            for key in self.keys:
                self.lock.release(key)


@pytest.mark.parametrize("kind", [KeyedLock, Unordered])
def test_several_keys_are_taken_in_one_order_by_everybody(kind):
    lock = kind()
    first_taken = Rendezvous(expected=kind is Unordered)
    plain = KeyedLock.acquire
    meet_once = threading.local()

    def acquire(self, key, blocking=True, timeout=None):
        got = plain(self, key, blocking, timeout)
        if got and not hasattr(meet_once, "done"):
            meet_once.done = True
            first_taken.meet()
        return got

    kind_with_pause = type("Paused", (kind,), {"acquire": acquire, "__slots__": ()})
    lock = kind_with_pause()
    blocked = []

    def hold(*keys):
        try:
            with lock.hold_all(*keys, timeout=0.3 if kind is Unordered else 20):
                pass
        except AcquireTimeoutError:
            blocked.append(keys)

    run_parallel(lambda: hold("a", "b"), lambda: hold("b", "a"))

    assert bool(blocked) is (kind is Unordered)
    assert len(lock) == 0


def test_tries_and_timeouts_name_the_holder():
    lock = KeyedLock("accounts")
    with lock.hold(7):

        def attempt():
            with pytest.raises(WouldBlockError, match=r"key 7 of .*'accounts' is held by .*Main"):
                lock.acquire_nowait(7)
            with pytest.raises(AcquireTimeoutError, match=r"key 7 .*MainThread' after 0\.01 s"):
                lock.hold(7, timeout=0.01).__enter__()
            with pytest.raises(AcquireTimeoutError, match="key 7"):
                lock.hold_all(6, 7, timeout=0.01).__enter__()
            with pytest.raises(LockMisuseError, match=r"'parallel-0.* released key 7 .*Main"):
                lock.release(7)
            with pytest.raises(ValueError, match="got -1"):
                lock.acquire(7, timeout=-1)
            with pytest.raises(ValueError, match="non-blocking"):
                lock.acquire(7, blocking=False, timeout=1)

        run_parallel(attempt)
        assert lock.locked(7)
        assert not lock.locked(6)
        assert "held={7 by MainThread}" in repr(lock)
        assert lock.statistics().busy[7].name == "MainThread"
    with pytest.raises(LockMisuseError, match="nobody holds"):
        lock.release(7)


def test_an_owner_that_died_is_named_to_those_who_wait():
    lock = KeyedLock("accounts")
    with started(lambda: lock.acquire(7), name="careless"):
        pass
    with pytest.raises(OwnerDiedError, match=r"key 7 .*'careless' ended"):
        lock.acquire(7)


def test_waits_holds_and_states_are_told():
    lock = KeyedLock("accounts")
    holds = []

    class Watcher(Observer):
        def released(self, hold):
            holds.append((hold.lock.label, hold.contended, hold.held_ns > 0))

    with observing(Watcher()):
        lock.acquire(7)

        def wait():
            with lock.hold(7):
                pass

        with started(wait) as waiting:
            wait_until(lambda: lock.statistics().waiting == 1)
            state = next(state for state in ftlocks.states() if state.info is lock._info)
            assert state.key == 7
            assert state.owners == (threading.get_ident(),)
            assert [waiter.thread for waiter in state.waiters] == [waiting.thread]
            lock.release(7)

    assert sorted(holds) == [("accounts", False, True), ("accounts", True, True)]
    figures = lock.statistics()
    assert (figures.acquisitions, figures.contentions, figures.holds_timed) == (2, 1, 2)
    assert 0 < figures.wait_max_ns == figures.wait_total_ns
