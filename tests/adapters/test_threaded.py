"""`ThreadSafeAdapter`: locks that lock, storage per thread, one context per request."""

import threading

import pytest

from ftbridge import AdapterHost, SessionContext, ThreadSafeAdapter, thread_safe_method, tool
from ftbridge.adapters.errors import LockTimeoutError
from ftlocks import UpgradeError
from ftstress import run_parallel

CALLED_OFF_SECONDS = 0.2  # how long threads wait for a meeting that the lock prevents
SURE_SECONDS = 20.0  # and for one that must happen


class NullLock:
    """A lock that somebody has forgotten."""

    def __enter__(self):
        return True

    def __exit__(self, *_):
        return None


class Counting(ThreadSafeAdapter):
    __thread_safe__ = True

    def __init__(self):
        self.shared_counter = 0
        self.pause = lambda: None

    @thread_safe_method
    @tool
    def increment(self):
        with self.acquire_lock():
            before = self.shared_counter
            self.pause()
            self.shared_counter = before + 1

    @tool
    def remember(self, value: str):
        earlier = self.get_thread_local("seen", ())
        self.set_thread_local("seen", (*earlier, value))
        return self.get_thread_local("seen")


@pytest.fixture
def host():
    host = AdapterHost(Counting)
    host.open()
    yield host
    host.close()


def test_a_counter_under_acquire_lock_is_exact(host):
    def work():
        for _ in range(500):
            host.call("increment", {}, SessionContext())

    run_parallel(work, work, work)

    assert host._life._instance.shared_counter == 1500


@pytest.mark.parametrize("locked", [True, False])
def test_the_lock_is_what_saves_the_update(host, monkeypatch, locked):
    """Both threads wait for each other between reading and writing, as long as they can."""
    if not locked:
        monkeypatch.setattr(Counting, "acquire_lock", lambda *_, **__: NullLock())
    meeting = threading.Barrier(2)

    def pause():
        try:
            meeting.wait(CALLED_OFF_SECONDS if locked else SURE_SECONDS)
        except threading.BrokenBarrierError:
            pass

    host._life._instance.pause = pause

    run_parallel(*[lambda: host.call("increment", {}, SessionContext())] * 2)

    assert host._life._instance.shared_counter == (2 if locked else 1)


def test_locks_belong_to_the_class_and_not_to_the_instance():
    class Other(Counting):
        pass

    first, second = Counting(), Counting()
    assert first.acquire_lock() is second.acquire_lock()
    assert first.acquire_lock("a") is second.acquire_lock("a")
    assert first.acquire_lock("a") is not first.acquire_lock("b")
    assert first.acquire_lock() is not Other().acquire_lock()
    assert first.acquire_lock() is not ThreadSafeAdapter().acquire_lock()


def test_a_name_seen_first_by_many_threads_is_one_lock():
    class Fresh(ThreadSafeAdapter):
        __thread_safe__ = True

    adapter = Fresh()
    for n in range(20):
        a, b = run_parallel(*[lambda n=n: adapter.acquire_lock(f"name {n}")] * 2)
        assert a is b


def test_locks_are_reported_under_the_names_of_class_and_lock():
    assert Counting().acquire_lock().name == "Counting"
    assert Counting().acquire_lock("ledger").name == "Counting.ledger"
    assert ThreadSafeAdapter().acquire_lock().name == "ThreadSafeAdapter"


def test_locks_are_reentrant():
    adapter = Counting()
    with adapter.acquire_lock(), adapter.acquire_lock(), adapter.acquire_lock(timeout=1):
        pass


def test_a_lock_with_a_timeout_gives_up_and_names_itself():
    adapter = Counting()
    with adapter.acquire_lock("ledger"):

        def attempt():
            with (
                pytest.raises(
                    LockTimeoutError, match=r"to write to .*'Counting\.ledger' .* 0\.01 s"
                ),
                adapter.acquire_lock("ledger", timeout=0.01),
            ):
                pass

        run_parallel(attempt)
    with adapter.acquire_lock("ledger", timeout=0.01) as held:
        assert held is True
    with adapter.acquire_lock(timeout=0.01) as held:
        assert held is True
        with pytest.raises(ExceptionGroup) as caught:
            run_parallel(lambda: adapter.acquire_lock(timeout=0.01).__enter__())
    assert isinstance(caught.value.exceptions[0], LockTimeoutError)


def test_readers_share_a_lock_and_a_writer_has_it_alone():
    adapter = Counting()
    both_inside = threading.Barrier(2, timeout=SURE_SECONDS)

    def enter(guard):
        with guard:
            pass

    def attempt(guard):
        try:
            enter(guard)
        except LockTimeoutError:
            return "kept out"
        return "let in"

    def reader():
        with adapter.acquire_read_lock("ledger") as held:
            assert held is True
            both_inside.wait()
            [outcome] = run_parallel(
                lambda: attempt(adapter.acquire_write_lock("ledger", timeout=0.01))
            )
            both_inside.wait()
            return outcome

    assert run_parallel(reader, reader) == ["kept out", "kept out"]
    with adapter.acquire_lock("ledger"):
        [outcome] = run_parallel(lambda: attempt(adapter.acquire_read_lock("ledger", timeout=0.01)))
        with adapter.acquire_read_lock("ledger"):  # inside its own write block
            pass
    assert outcome == "kept out"
    assert run_parallel(lambda: attempt(adapter.acquire_lock("ledger", timeout=0.01))) == ["let in"]


def test_a_reader_cannot_turn_into_a_writer():
    adapter = Counting()
    with (
        adapter.acquire_read_lock("ledger"),
        pytest.raises(UpgradeError, match="leave the read block first"),
        adapter.acquire_lock("ledger"),
    ):
        pass


def test_thread_locals_are_each_threads_own(host):
    def two_calls(name):
        host.call("remember", {"value": f"{name}1"}, SessionContext())
        return host.call("remember", {"value": f"{name}2"}, SessionContext())

    assert run_parallel(lambda: two_calls("a"), lambda: two_calls("b")) == [
        ("a1", "a2"),
        ("b1", "b2"),
    ]


def test_thread_locals_can_be_cleared_one_or_all():
    adapter = Counting()
    adapter.set_thread_local("a", 1)
    adapter.set_thread_local("b", 2)
    adapter.set_thread_local("c", 3)
    adapter.clear_thread_local("a")
    adapter.clear_thread_local("a")
    assert adapter.get_thread_local("a", "gone") == "gone"
    assert adapter.get_thread_local("b") == 2
    adapter.clear_thread_local()
    assert adapter.get_thread_local("b") is None
    assert Counting().get_thread_local("c") is None


def test_each_request_sees_its_own_session_at_the_same_time():
    meeting = threading.Barrier(2, timeout=30)

    class Sessions(ThreadSafeAdapter):
        __thread_safe__ = True

        @tool
        def who(self):
            first = self.session_context.session_id
            meeting.wait()  # now both requests are inside the one instance
            second = self.session_context.session_id
            meeting.wait()
            return first, second, self.session_id

    host = AdapterHost(Sessions)
    host.open()

    results = run_parallel(
        lambda: host.call("who", {}, SessionContext("one")),
        lambda: host.call("who", {}, SessionContext("two")),
    )
    host.close()

    assert results == [("one",) * 3, ("two",) * 3]


def test_requests_are_counted_while_they_run_and_after():
    seen = []

    class Stats(ThreadSafeAdapter):
        __thread_safe__ = True

        @tool
        def look(self):
            with self.track_request("mine") as named:
                seen.append(dict(self.get_stats()))
            assert named == "mine"

    host = AdapterHost(Stats)
    host.open()
    host.call("look", {}, SessionContext())
    after = dict(host._life._instance.get_stats())
    host.close()

    assert seen[0]["total_active_requests"] == 2
    counts = {
        "total_requests": 2,
        "total_active_requests": 0,
        "active_threads": 0,
        "threads_seen": 1,
    }
    assert after == {"adapter_class": "Stats", "thread_safe": True, "tracker": counts, **counts}


def test_a_cleanup_that_fails_does_not_leave_its_request_counted_as_active():
    class Broken(ThreadSafeAdapter):
        __thread_safe__ = True

        @tool
        def f(self): ...

        @tool
        def g(self):
            yield 1

        def cleanup(self):
            raise ValueError("cleanup")

    host = AdapterHost(Broken)
    host.open()
    with pytest.raises(ValueError, match="cleanup"):
        host.call("f", {}, SessionContext())
    with pytest.raises(ValueError, match="cleanup"):
        list(host.stream("g", {}, SessionContext()))
    assert host._life._instance.get_stats()["total_active_requests"] == 0
    host.close()
