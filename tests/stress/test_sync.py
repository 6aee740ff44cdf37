"""`ftstress.sync` and `sync_ftlocks`: primitives tell, and still do what they did."""

import _thread
import asyncio
import queue
import threading

import pytest
from stress.rewritten import races_of

import ftlocks
from ftlocks import mutex, tables
from ftstress import events, sync


class Told(events.Sink):
    def __init__(self):
        self.told = []

    def wants(self, lock):
        self.told.append("wants")

    def holds(self, lock, shared):
        self.told.append("holds shared" if shared else "holds")

    def lets_go(self, lock, shared):
        self.told.append("lets go shared" if shared else "lets go")

    def send(self, channel, what):
        self.told.append(f"send {what}")

    def receive(self, channel, what):
        self.told.append(f"receive {what}")


@pytest.fixture
def told():
    sink = Told()
    sync.install()
    events.subscribe(sink)
    yield sink.told
    events.unsubscribe(sink)
    sync.uninstall()


def test_everything_is_put_back():
    def state():
        return (
            threading.Lock,
            threading.RLock,
            queue.SimpleQueue,
            _thread.start_new_thread,
            vars(threading.Thread)["start"],
            vars(threading.Event)["set"],
            vars(asyncio.BaseEventLoop)["call_soon_threadsafe"],
            mutex.allocate_lock,
            vars(ftlocks.Once)["call"],
        )

    before = state()
    sync.install()
    sync.install()
    during = state()
    sync.uninstall()
    assert state() == during
    sync.uninstall()

    assert state() == before
    assert all(one is not other for one, other in zip(before, during, strict=True))


def test_a_lock_tells_of_its_holds(told):
    lock = threading.Lock()
    with lock:
        assert lock.locked()
        assert not lock.acquire(False)
        assert not lock.acquire(timeout=0.001)
    with pytest.raises(RuntimeError):
        lock.release()

    # What waits with a limit cannot be for ever.
    assert told == ["wants", "holds", "lets go"]


def test_a_reentrant_lock_tells_of_the_outermost_hold(told):
    lock = threading.RLock()
    with lock, lock:
        assert lock._recursion_count() == 2
    with pytest.raises(RuntimeError):
        lock.release()

    assert told == ["wants", "holds", "lets go"]


def test_a_condition_gives_the_lock_back_whole(told):
    lock = threading.RLock()
    condition = threading.Condition(lock)
    with lock, condition:
        condition.wait(0.001)
        assert lock._recursion_count() == 2

    assert told == ["wants", "holds", "lets go", "wants", "holds", "lets go"]


def test_a_simple_queue_hands_over_what_was_put(told):
    items = queue.SimpleQueue()
    items.put("a")
    items.put_nowait(None)
    assert (items.get(), items.get_nowait(), items.empty()) == ("a", None, True)
    with pytest.raises(queue.Empty):
        items.get(timeout=0.001)

    assert told == ["send queue item"] * 2 + ["receive queue item"] * 2


def test_an_rwlock_tells_its_modes_apart(told):
    lock = ftlocks.RWLock()
    with lock.read():
        pass
    with lock.write():
        lock.downgrade()

    assert [t for t in told if t != "wants"] == [
        *("holds shared", "lets go shared"),
        *("holds", "lets go", "holds shared", "lets go shared"),
    ]


def test_locks_of_ftlocks_still_know_their_owner(told):
    lock = ftlocks.RLock("mine")
    with lock:
        assert lock.locked()
        assert lock._is_owned()
        assert "owner=" in repr(lock)
    assert not lock.locked()


def test_a_factory_that_fails_is_tried_again(told):
    once = ftlocks.Once()
    with pytest.raises(ZeroDivisionError):
        once.call(lambda: 1 / 0)
    assert once.call(lambda: 5) == 5
    assert once.done
    assert "send Once" in told


def test_a_raw_thread_is_told_with_its_arguments(told):
    found = queue.SimpleQueue()
    _thread.start_new_thread(lambda a, b: found.put((a, b)), (1,), {"b": 2})
    assert found.get() == (1, 2)


def test_a_look_into_a_shared_table_is_a_read_at_the_line_that_asks_for_it(tmp_path):
    source = """
    import threading
    from ftlocks.tables import find


    def main():
        table = {}

        def look():
            find(table, "a")

        def change():
            table["a"] = 1

        threads = [threading.Thread(target=function) for function in (look, change)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """
    (race,) = races_of(tmp_path, source)
    assert {race.first.site.text, race.second.site.text} == {'find(table, "a")', 'table["a"]'}
    assert tables.told is None
