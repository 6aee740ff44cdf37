"""`RWLock`: readers together, a writer alone, and who goes first."""

import re
import threading

import pytest
from locks.races import Rendezvous, started, wait_until

import ftlocks
from ftlocks import (
    AcquireTimeoutError,
    LockMisuseError,
    Observer,
    OwnerDiedError,
    RWLock,
    UpgradeError,
    WouldBlockError,
    observing,
)
from ftstress import run_parallel

POLICIES = pytest.mark.parametrize("fair", [False, True], ids=["writers first", "fair"])


class Careless(RWLock):
    """Lets everybody in, as if readers and writers did not exclude each other."""

    __slots__ = ()

    def _may_enter(self, mode):
        return True


def waiting(lock):
    figures = lock.statistics()
    return figures.readers_waiting, figures.writers_waiting


def entering(lock, mode, log, name):
    def enter():
        with getattr(lock, mode)():
            log.append(name)

    return started(enter, name=name)


@POLICIES
@pytest.mark.parametrize("kind", [RWLock, Careless])
@pytest.mark.parametrize("sides", [("write", "write"), ("write", "read")])
def test_a_writer_is_alone(kind, fair, sides):
    lock = kind(fair=fair)
    inside = Rendezvous(expected=kind is Careless)

    def enter(side):
        with getattr(lock, side)():
            return inside.meet()

    met = run_parallel(*[lambda side=side: enter(side) for side in sides])

    assert met == [kind is Careless] * 2


@POLICIES
def test_readers_are_inside_together(fair):
    lock = RWLock(fair=fair)
    inside = Rendezvous(3, expected=True)

    def enter():
        with lock.read():
            return inside.meet()

    assert run_parallel(enter, enter, enter) == [True] * 3
    assert lock.statistics().reads.acquisitions == 3
    assert lock.statistics().reads.contentions == 0


class ReadersFirst(RWLock):
    """Forgets that a writer waits."""

    __slots__ = ()

    def _may_enter(self, mode):
        return not self._holders if mode == "write" else self._writer is None


@pytest.mark.parametrize("kind", [RWLock, ReadersFirst])
def test_a_reader_that_comes_later_waits_behind_a_writer(kind):
    lock = kind()
    log = []
    with lock.read(), entering(lock, "write", log, "writer") as writer:
        wait_until(lambda: waiting(lock) == (0, 1))
        with entering(lock, "read", log, "reader") as reader:
            if kind is ReadersFirst:
                reader.join()
            else:
                wait_until(lambda: waiting(lock) == (1, 1))
            lock.release_read()
            writer.join()
            reader.join()
            lock.acquire_read()
    assert log == (["writer", "reader"] if kind is RWLock else ["reader", "writer"])


@pytest.mark.parametrize(
    ("fair", "order"), [(False, ["w2", "w4", "r1", "r3"]), (True, ["r1", "w2", "r3", "w4"])]
)
def test_the_order_in_which_the_waiting_are_served(fair, order):
    lock = RWLock(fair=fair)
    log = []
    arrivals = [("read", "r1"), ("write", "w2"), ("read", "r3"), ("write", "w4")]
    threads = []
    with lock.write():
        for number, (mode, name) in enumerate(arrivals, start=1):
            threads.append(entering(lock, mode, log, name).__enter__())
            wait_until(lambda number=number: sum(waiting(lock)) == number)
    for thread in threads:
        thread.join()
    if not fair:
        assert log[:2] == order[:2]
        assert sorted(log[2:]) == order[2:]  # readers go in together
    else:
        assert log == order


@POLICIES
def test_a_thread_that_reads_may_read_again_while_a_writer_waits(fair):
    lock = RWLock(fair=fair)
    log = []
    with lock.read(), entering(lock, "write", log, "writer"):
        wait_until(lambda: waiting(lock) == (0, 1))
        with lock.read(timeout=5):
            log.append("reader")
        lock.release_read()
        wait_until(lambda: len(log) == 2)
        lock.acquire_read()
    assert log == ["reader", "writer"]


def test_a_writer_may_write_and_read_again():
    lock = RWLock()
    with lock.write(), lock.write(), lock.read(), lock.read():
        assert lock.statistics().writer.name == "MainThread"
        assert lock.statistics().readers == ()
    assert lock.statistics().writes.acquisitions == 1
    assert lock.acquire_write(blocking=False)
    lock.release_write()


def test_an_upgrade_is_refused_where_it_would_deadlock():
    lock = RWLock("catalogue")
    with lock.read():
        with pytest.raises(UpgradeError, match=r"'MainThread' holds .*'catalogue' for reading"):
            lock.acquire_write()
        with pytest.raises(UpgradeError):
            lock.acquire_write(timeout=1)
        with pytest.raises(UpgradeError):
            lock.acquire_write_nowait()
    with lock.write():
        pass


class Dropping(RWLock):
    """A downgrade that lets go in between."""

    __slots__ = ()

    def downgrade(self):
        self.release_write()
        wait_until(lambda: not self._holders)
        self.acquire_read()


@pytest.mark.parametrize("kind", [RWLock, Dropping])
def test_no_writer_gets_in_between_when_a_writer_downgrades(kind):
    lock = kind()
    log = []
    lock.acquire_write()
    with entering(lock, "write", log, "other"):
        wait_until(lambda: waiting(lock) == (0, 1))
        lock.downgrade()
        seen = list(log)
        lock.release_read()
    assert seen == ([] if kind is RWLock else ["other"])
    assert log == ["other"]


def test_readers_join_a_downgraded_writer():
    lock = RWLock()
    log = []
    with lock.write(), entering(lock, "read", log, "reader") as reader:
        wait_until(lambda: waiting(lock) == (1, 0))
        lock.downgrade()
        reader.join()
        assert lock.statistics().writer is None
    assert log == ["reader"]
    lock.acquire_write()
    lock.downgrade()
    lock.release_read()
    assert lock.acquire_write_nowait()
    lock.release_write()


def test_only_the_outermost_writer_can_downgrade():
    lock = RWLock()
    with pytest.raises(LockMisuseError, match=r"'MainThread' cannot downgrade .*nobody is inside"):
        lock.downgrade()
    with lock.write(), lock.write(), pytest.raises(LockMisuseError, match="entered it 2 times"):
        lock.downgrade()
    with lock.read(), pytest.raises(LockMisuseError, match="MainThread read"):
        lock.downgrade()


@POLICIES
def test_a_writer_that_gives_up_lets_the_readers_behind_it_go(fair):
    lock = RWLock(fair=fair)
    log = []
    give_up = threading.Event()

    def attempt():
        with pytest.raises(LookupError):
            lock.acquire_write()
        give_up.set()

    with lock.read():
        with started(attempt):
            wait_until(lambda: waiting(lock) == (0, 1))
            with entering(lock, "read", log, "reader") as reader:
                wait_until(lambda: waiting(lock) == (1, 1))
                lock._states()[0].waiters[0].interrupt(LookupError("enough"))
                reader.join()
        assert give_up.is_set()
        assert log == ["reader"]
    assert lock.statistics().writes.contentions == 1
    assert waiting(lock) == (0, 0)


@pytest.mark.parametrize("side", ["read", "write"])
def test_timeouts_and_tries_say_who_is_inside(side):
    lock = RWLock("catalogue")

    def attempt():
        with pytest.raises(AcquireTimeoutError, match=rf"to {side} within 0\.01 s: MainThread"):
            getattr(lock, side)(timeout=0.01).__enter__()
        with pytest.raises(WouldBlockError, match=rf"to {side} now: MainThread inside"):
            getattr(lock, f"acquire_{side}_nowait")()
        assert not getattr(lock, f"acquire_{side}")(timeout=0)
        with pytest.raises(ValueError, match="non-blocking"):
            getattr(lock, f"acquire_{side}")(blocking=False, timeout=1)
        with pytest.raises(ValueError, match="got -1"):
            getattr(lock, f"acquire_{side}")(timeout=-1)

    with lock.write():
        run_parallel(attempt)
    assert waiting(lock) == (0, 0)


def test_a_release_by_a_stranger_names_both_threads():
    lock = RWLock("catalogue")
    with pytest.raises(LockMisuseError, match=r"'MainThread' cannot leave .*nobody is inside"):
        lock.release_read()
    with lock.write():

        def leave():
            for release in (lock.release_write, lock.release_read):
                with pytest.raises(LockMisuseError, match=r"'parallel-0.*'MainThread' writes"):
                    release()

        run_parallel(leave)
        with pytest.raises(LockMisuseError, match="release_read"):
            lock.release_read()
    with lock.read(), pytest.raises(LockMisuseError, match="MainThread read"):
        lock.release_write()


def test_an_owner_that_died_is_named_to_those_who_wait(monkeypatch):
    monkeypatch.setattr("ftlocks.rwlock._OWNER_CHECK_SECONDS", 0.01)
    lock = RWLock("catalogue")
    with started(lock.acquire_read, name="careless"):
        pass
    with pytest.raises(OwnerDiedError, match="careless ended inside"):
        lock.acquire_write()
    assert waiting(lock) == (0, 0)


def test_holds_are_timed_and_told_while_observed():
    lock = RWLock("catalogue")
    told = []

    class Watcher(Observer):
        def wanted(self, info, mode, blocking):
            told.append(("wanted", mode))

        def released(self, hold):
            told.append((hold.mode, hold.lock.label, hold.contended, hold.held_ns > 0))
            assert lock._mutex.acquire(False)
            lock._mutex.release()

    with lock.write():
        pass
    with observing(Watcher()):
        with lock.write() as block:
            block.downgrade()
        with lock.read(), lock.read():
            pass

    assert told == [
        ("wanted", "write"),
        ("write", "catalogue", False, True),
        ("read", "catalogue", False, True),
        ("wanted", "read"),
        ("read", "catalogue", False, True),
    ]
    assert lock.statistics().writes.acquisitions == 2
    assert lock.statistics().writes.holds_timed == 1
    assert lock.statistics().reads.holds_timed == 2


def test_the_repr_and_the_registry_tell_who_is_where():
    lock = RWLock("catalogue")
    assert re.fullmatch(r"<ftlocks\.RWLock 'catalogue' at 0x\w+: free>", repr(lock))
    with lock.read(), entering(lock, "write", [], "late") as late:
        wait_until(lambda: waiting(lock) == (0, 1))
        assert "readers=MainThread waiting=1 (1 to write)" in repr(lock)
        state = next(state for state in ftlocks.states() if state.info is lock._info)
        assert state.owners == (threading.get_ident(),)
        assert [waiter.thread for waiter in state.waiters] == [late.thread]
        lock.release_read()
        late.join()
        lock.acquire_read()
    with lock.write():
        assert "writer=MainThread" in repr(lock)


@POLICIES
def test_readers_never_see_half_a_write_under_load(fair):
    lock = RWLock(fair=fair)
    pair = [0, 0]

    def write():
        for _ in range(100):
            with lock.write():
                pair[0] += 1
                pair[1] += 1

    def read():
        for _ in range(100):
            with lock.read():
                assert pair[0] == pair[1]

    run_parallel(write, write, read, read)

    assert pair == [200, 200]
    assert lock.statistics().writes.acquisitions == 200
    assert lock.statistics().reads.acquisitions == 200
