import os
import threading
from collections import deque
from typing import Any, cast

import pytest

from ftbridge.rpc.pool import HandlerPool
from ftbridge.rpc.reactor import FAR_SECONDS, READ, TICK_SECONDS, Deadlines, Reactor, _Helper


class Item:
    def __init__(self) -> None:
        self.expired = threading.Event()

    def on_expired(self, now: float) -> None:
        self.expired.set()


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> Deadlines:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    return Deadlines()


@pytest.mark.parametrize("at", [FAR_SECONDS - 0.5, FAR_SECONDS + 0.5, 100.0, 100.001, 299.999])
def test_a_deadline_is_met_however_far_it_is(deadlines: Deadlines, at: float) -> None:
    item = Item()
    deadlines.add(item, at)
    now = 0.0
    for _ in range(3):
        wait = deadlines.next_wait(now)
        assert wait is not None
        now += wait
        found = deadlines.expire(now)
        if found:
            break
    assert found == [item]
    assert at <= now <= at + 2 * TICK_SECONDS
    assert deadlines.next_wait(now) is None


def test_calls_with_far_deadlines_that_end_early_leave_few_buckets(deadlines: Deadlines) -> None:
    for number in range(5000):
        now = number * 0.01
        assert deadlines.expire(now) == []
        item = Item()
        deadlines.add(item, now + 298.8).discard(item)
    assert len(deadlines) < 60


def test_one_discarded_while_it_is_dealt_out_expires_at_most(deadlines: Deadlines) -> None:
    item = Item()
    bucket = deadlines.add(item, 100.5)
    assert deadlines.expire(99.2) == []  # it is in a bucket of its tick now
    bucket.discard(item)
    assert deadlines.expire(101.0) == [item]


def test_deadlines_expire_in_time_and_never_early(deadlines: Deadlines) -> None:
    first, second = Item(), Item()
    deadlines.add(first, 10.0)
    deadlines.add(second, 20.0)
    assert deadlines.expire(9.999) == []
    assert deadlines.expire(10.0 + TICK_SECONDS) == [first]
    assert deadlines.next_wait(15.0) is not None
    assert deadlines.expire(100.0) == [second]
    assert deadlines.next_wait(100.0) is None


def test_a_finished_call_leaves_nothing_behind_but_its_bucket(deadlines: Deadlines) -> None:
    items = [Item() for _ in range(1000)]
    buckets = [deadlines.add(item, 300.0) for item in items]
    for item, bucket in zip(items, buckets, strict=True):
        bucket.discard(item)
    assert len({id(b) for b in buckets}) == 1
    assert not buckets[0].deadlines
    assert deadlines.expire(400.0) == []


def test_many_deadlines_at_one_time_share_a_bucket(deadlines: Deadlines) -> None:
    a, b = Item(), Item()
    assert deadlines.add(a, 5.001) is deadlines.add(b, 5.002)


class FakePool:
    """Takes work and runs none of it."""

    def __init__(self) -> None:
        self.added: list[Any] = []

    def add(self, work: Any) -> None:
        self.added.append(work)


class Task:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.thread = ""

    def run(self) -> None:
        self.thread = threading.current_thread().name
        self.done.set()


@pytest.mark.parametrize(("count", "helpers"), [(1, 0), (6, 0), (7, 1), (10, 1)])
def test_a_handler_is_asked_to_help_where_several_short_calls_wait(count: int, helpers: int):
    pool = FakePool()
    reactor = Reactor(name="test-reactor", pool=cast("HandlerPool", pool))
    relay = reactor._relay
    assert relay is not None
    tasks = [Task() for _ in range(count)]

    def submit() -> None:
        assert all(reactor.run_soon(task, count) for task in tasks)
        assert not reactor.run_soon(Task(), count), "there is no room for another one"

    reactor.start()
    try:
        while not relay.manned:
            threading.Event().wait(0.001)
        reactor.call_soon(submit)
        assert all(task.done.wait(20) for task in tasks)
        assert {task.thread for task in tasks} == {"test-reactor"}
        assert len(pool.added) == helpers
    finally:
        reactor.stop()
    assert reactor.busy == 0


def test_a_helper_runs_what_waits_and_outlives_a_fault(caplog: pytest.LogCaptureFixture):
    class Broken(Task):
        def run(self) -> None:
            super().run()
            raise IndexError("not the deque's")

    ready = deque([Broken(), Task(), Task()])
    tasks = list(ready)
    helper = _Helper(ready)
    helper.out = True
    helper.run()
    assert not ready
    assert not helper.out
    assert all(task.done.is_set() for task in tasks)
    assert "not the deque's" in caplog.text


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
