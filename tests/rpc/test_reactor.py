import os
import threading

from ftbridge.rpc.reactor import READ, TICK_SECONDS, Deadlines, Reactor


class Item:
    def __init__(self) -> None:
        self.expired = threading.Event()

    def on_expired(self, now: float) -> None:
        self.expired.set()


def test_deadlines_expire_in_time_and_never_early() -> None:
    deadlines = Deadlines()
    first, second = Item(), Item()
    deadlines.add(first, 10.0)
    deadlines.add(second, 20.0)
    assert deadlines.expire(9.999) == []
    assert deadlines.expire(10.0 + TICK_SECONDS) == [first]
    assert deadlines.next_wait(15.0) is not None
    assert deadlines.expire(100.0) == [second]
    assert deadlines.next_wait(100.0) is None


def test_a_finished_call_leaves_nothing_behind_but_its_bucket() -> None:
    deadlines = Deadlines()
    items = [Item() for _ in range(1000)]
    buckets = [deadlines.add(item, 300.0) for item in items]
    for item, bucket in zip(items, buckets, strict=True):
        bucket.discard(item)
    assert len({id(b) for b in buckets}) == 1
    assert not buckets[0]
    assert deadlines.expire(400.0) == []


def test_many_deadlines_at_one_time_share_a_bucket() -> None:
    deadlines = Deadlines()
    a, b = Item(), Item()
    assert deadlines.add(a, 5.001) is deadlines.add(b, 5.002)


class Pipe:
    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        self.got = threading.Event()
        self.data = b""

    def fileno(self) -> int:
        return self.read_fd

    def on_ready(self, mask: int, now: float) -> None:
        self.data += os.read(self.read_fd, 100)
        self.got.set()

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


def test_events_tasks_and_timers_on_one_thread() -> None:
    reactor = Reactor(name="test-reactor")
    pipe = Pipe()
    item = Item()
    ran = threading.Event()
    threads: list[str] = []
    reactor.start()
    try:
        reactor.call_soon(reactor.watch, pipe, READ)
        os.write(pipe.write_fd, b"hello")
        assert pipe.got.wait(10)
        assert pipe.data == b"hello"

        def task() -> None:
            threads.append(threading.current_thread().name)
            reactor.deadlines.add(item, 0.0)
            ran.set()

        reactor.call_soon(task)
        assert ran.wait(10)
        assert item.expired.wait(10)
        assert threads == ["test-reactor"]
        reactor.call_soon(reactor.forget, pipe)
    finally:
        reactor.stop()
        pipe.close()
    assert not reactor.thread.is_alive()


def test_one_fault_does_not_end_the_loop(caplog: object) -> None:
    reactor = Reactor(name="test-reactor")
    survived = threading.Event()
    reactor.start()
    try:
        reactor.call_soon(lambda: 1 / 0)
        reactor.call_soon(survived.set)
        assert survived.wait(10)
    finally:
        reactor.stop()


def test_ticks() -> None:
    ticked = threading.Event()
    seen: list[Reactor] = []

    def tick(reactor: Reactor, now: float) -> None:
        seen.append(reactor)
        ticked.set()

    reactor = Reactor(name="test-reactor", tick=tick)
    reactor.start()
    try:
        assert ticked.wait(10)
        assert seen[0] is reactor
    finally:
        reactor.stop()


def test_calls_after_the_end_are_harmless() -> None:
    reactor = Reactor(name="test-reactor")
    reactor.start()
    reactor.stop()
    reactor.call_soon(print)
    reactor.stop()
