"""Instances for a request, for a thread, for the process; their set-up and their end."""

import gc
import logging
import threading

import pytest

from ftbridge import AdapterHost, BaseAdapter, SessionContext, ThreadSafeAdapter, tool
from ftbridge.adapters.errors import InvalidToolError, ThreadSafetyError
from ftbridge.adapters.lifetimes import LIFETIMES
from ftstress import run_parallel

WAIT_SECONDS = 20.0


class Recorder(BaseAdapter):
    """Says what happened to which instance, on which thread."""

    __thread_safe__ = True
    log: list = []

    def __init__(self):
        super().__init__()
        self.served = 0
        self.log.append(("init", id(self), threading.get_ident()))

    def setup(self):
        self.log.append(("setup", id(self), threading.get_ident()))

    def teardown(self):
        self.log.append(("teardown", id(self), threading.get_ident()))

    @tool
    def serve(self):
        self.served += 1
        return id(self), self.served, self.session_context.session_id, self.session_id


class SharedRecorder(Recorder, ThreadSafeAdapter):
    __thread_safe__ = True


class AsyncRecorder(Recorder):
    async def setup(self):
        self.log.append(("setup", id(self), threading.get_ident()))

    async def teardown(self):
        self.log.append(("teardown", id(self), threading.get_ident()))


@pytest.fixture(autouse=True)
def _empty_log():
    Recorder.log.clear()


def serve_on_two_threads(host):
    """Two requests on each of two threads, which both leave in order."""

    def work(name):
        results = [host.call("serve", {}, SessionContext(f"{name}{n}")) for n in range(2)]
        host.leave_thread()
        return results, threading.get_ident()

    host.open()
    found = run_parallel(lambda: work("a"), lambda: work("b"))
    host.close()
    assert [r[2:] for results, _ in found for r in results] == [
        (name, name) for name in ("a0", "a1", "b0", "b1")
    ]
    return found


def events(name):
    return [(who, thread) for what, who, thread in Recorder.log if what == name]


@pytest.mark.parametrize("adapter", [Recorder, AsyncRecorder, SharedRecorder])
def test_a_thread_has_one_instance_set_up_and_torn_down_on_it(adapter):
    (first, one), (second, other) = serve_on_two_threads(AdapterHost(adapter, lifetime="thread"))

    assert [count for _, count, *_ in first] == [1, 2]
    assert {instance for instance, *_ in first}.isdisjoint({instance for instance, *_ in second})
    for name in ("init", "setup", "teardown"):
        assert sorted(thread for _, thread in events(name)) == sorted([one, other])


@pytest.mark.parametrize("adapter", [Recorder, AsyncRecorder, SharedRecorder])
def test_the_process_has_one_instance(adapter):
    (first, _), (second, _) = serve_on_two_threads(AdapterHost(adapter, lifetime="process"))

    assert len({instance for instance, *_ in first + second}) == 1
    assert [len(events(name)) for name in ("init", "setup", "teardown")] == [1, 1, 1]


def test_a_request_has_an_instance_and_a_base_adapters_setup_is_no_hook():
    (first, _), (second, _) = serve_on_two_threads(AdapterHost(Recorder))

    assert [count for _, count, *_ in first + second] == [1, 1, 1, 1]
    assert [len(events(name)) for name in ("init", "setup", "teardown")] == [4, 0, 0]


def test_a_thread_safe_adapter_per_request_is_still_set_up():
    serve_on_two_threads(AdapterHost(SharedRecorder, lifetime="request"))

    assert [len(events(name)) for name in ("init", "setup", "teardown")] == [4, 4, 4]


@pytest.mark.parametrize("lifetime", LIFETIMES)
def test_the_class_may_choose(lifetime):
    class Choosing(Recorder):
        __lifetime__ = lifetime

    assert AdapterHost(Choosing).lifetime == lifetime


def test_the_defaults_are_request_and_process():
    assert AdapterHost(Recorder).lifetime == "request"
    assert AdapterHost(SharedRecorder).lifetime == "process"


def test_an_unknown_lifetime_is_refused_with_those_there_are():
    class Wrong(Recorder):
        __lifetime__ = "session"

    with pytest.raises(InvalidToolError, match="'session' is none of request, thread, process"):
        AdapterHost(Wrong)


def test_a_class_attribute_for_the_context_is_refused_where_it_would_be_shared():
    class Hiding(Recorder):
        session_context = None

    AdapterHost(Hiding)
    for lifetime in ("thread", "process"):
        with pytest.raises(ThreadSafetyError, match="Hiding has a class attribute"):
            AdapterHost(Hiding, lifetime=lifetime)


@pytest.mark.parametrize("lifetime", LIFETIMES)
def test_thread_locals_locks_and_counts_are_common_to_all_instances(lifetime):
    class Common(ThreadSafeAdapter):
        __thread_safe__ = True

        @tool
        def visit(self):
            visits = self.get_thread_local("visits", 0) + 1
            self.set_thread_local("visits", visits)
            return visits, self.acquire_lock("x")

        @tool
        def stats(self):
            return dict(self.get_stats())

    host = AdapterHost(Common, lifetime=lifetime)
    host.open()
    (one, lock), (two, same) = [host.call("visit", {}, SessionContext()) for _ in range(2)]
    stats = host.call("stats", {}, SessionContext())
    host.close()

    assert (one, two) == (1, 2)
    assert lock is same
    assert stats["total_requests"] == 3


def test_close_ends_the_instances_of_threads_that_said_nothing():
    host = AdapterHost(Recorder, lifetime="thread")
    host.open()
    host.call("serve", {}, SessionContext())
    host.close()
    host.close()

    assert len(events("teardown")) == 1


def test_the_instance_of_a_thread_that_ended_is_torn_down_for_a_newcomer():
    host = AdapterHost(Recorder, lifetime="thread")
    host.open()
    run_parallel(lambda: host.call("serve", {}, SessionContext()))
    gc.collect()
    assert events("teardown") == []
    host.call("serve", {}, SessionContext())
    assert len(events("teardown")) == 1
    host.close()
    assert len(events("teardown")) == 2


def test_close_waits_for_a_thread_that_is_leaving():
    entered, go = threading.Event(), threading.Event()
    ended = []

    class Slow(Recorder):
        def teardown(self):
            entered.set()
            go.wait(WAIT_SECONDS)
            ended.append(True)

    class Opening(threading.Condition):
        """Lets the teardown go on as soon as somebody waits for it."""

        def wait_for(self, predicate, timeout=None):
            go.set()
            return super().wait_for(predicate, timeout)

    host = AdapterHost(Slow, lifetime="thread")
    host._life._thread_instances._lock = Opening()
    host.open()

    def leave():
        host.call("serve", {}, SessionContext())
        host.leave_thread()

    def close():
        entered.wait(WAIT_SECONDS)
        host.close()
        seen = list(ended)
        go.set()
        return seen

    _, seen = run_parallel(leave, close)
    assert seen == [True]


def test_a_setup_that_fails_fails_its_call_and_is_tried_again():
    class Flaky(Recorder):
        attempts = 0

        def setup(self):
            Flaky.attempts += 1
            if Flaky.attempts == 1:
                raise OSError("no model yet")

    host = AdapterHost(Flaky, lifetime="thread")
    host.open()
    with pytest.raises(OSError, match="no model yet"):
        host.call("serve", {}, SessionContext())
    assert host.call("serve", {}, SessionContext())[1] == 1
    host.close()


def test_setup_of_a_thread_does_not_see_the_request_that_caused_it():
    seen = []

    class Curious(Recorder):
        def setup(self):
            seen.append(self.session_context)

    host = AdapterHost(Curious, lifetime="thread")
    host.open()
    host.call("serve", {}, SessionContext("s"))
    host.close()
    assert seen == [None]


@pytest.mark.parametrize("error", [OSError, SystemExit])
def test_a_teardown_that_fails_is_logged_where_nobody_can_be_told(caplog, error):
    class Failing(Recorder):
        def teardown(self):
            raise error("the disk is gone")

    host = AdapterHost(Failing, lifetime="thread")
    host.open()
    host.call("serve", {}, SessionContext())
    with caplog.at_level(logging.ERROR):
        host.leave_thread()
    assert "Failing.teardown failed" in caplog.text
    host.call("serve", {}, SessionContext())
    with pytest.raises(error, match="the disk is gone"):
        host.close()
