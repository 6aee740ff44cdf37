"""`AdapterHost`: lifecycles, dispatch, refusals, streams."""

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest

from ftbridge import (
    AdapterHost,
    BaseAdapter,
    SessionContext,
    StreamChunk,
    ThreadSafeAdapter,
    tool,
)
from ftbridge.adapters.errors import (
    HostClosedError,
    MissingVariablesError,
    StreamingToolError,
    ThreadSafetyError,
    ToolArgumentError,
    ToolCancelledError,
    ToolDeadlineError,
    ToolExitError,
    ToolNotFoundError,
)
from ftstress import run_parallel

LOG = []


@pytest.fixture(autouse=True)
def _empty_log():
    LOG.clear()


@pytest.fixture
def serve():
    """Make a host and open it; closed after the test."""
    hosts = []

    def make(adapter_class, **options):
        host = AdapterHost(adapter_class, **options)
        hosts.append(host)
        host.open()
        return host

    yield make
    for host in hosts:
        host.close()


def call(host, name, context=None, **arguments):
    return host.call(name, arguments, context or SessionContext("s"))


def stream(host, name, context=None, **arguments):
    return host.stream(name, arguments, context or SessionContext("s"))


class PerRequest(BaseAdapter):
    __thread_safe__ = True

    def __init__(self):
        LOG.append("init")

    def set_session_context(self, session_context):
        super().set_session_context(session_context)
        LOG.append(f"context {session_context.session_id}")

    def initialize(self):
        LOG.append("initialize")

    def cleanup(self):
        LOG.append("cleanup")

    @tool
    def work(self, fail: bool = False):
        LOG.append("work")
        if fail:
            raise ValueError("asked to fail")
        return "done"

    @tool
    def steps(self, count: int = 3):
        try:
            for n in range(count):
                LOG.append(n)
                yield n
        finally:
            LOG.append("closed")

    @tool
    def broken_steps(self):
        yield 1
        raise ValueError("after one")

    @tool
    def leave(self):
        raise SystemExit(3)

    @tool
    def interrupt(self):
        raise KeyboardInterrupt

    @tool
    def leaving_steps(self):
        yield 1
        raise SystemExit(3)

    def helper(self):
        LOG.append("helper")

    def _private(self):
        LOG.append("private")


class AsyncHooks(PerRequest):
    async def initialize(self):
        LOG.append("initialize")

    async def cleanup(self):
        LOG.append("cleanup")


BEFORE = ["init", "context s", "initialize"]


@pytest.fixture(params=[PerRequest, AsyncHooks])
def host(serve, request):
    return serve(request.param)


# --- the life of a request ---------------------------------------------------------------------


def test_order_of_a_call(host):
    assert call(host, "work") == "done"
    assert [*BEFORE, "work", "cleanup"] == LOG


def test_order_of_a_call_that_fails(host):
    with pytest.raises(ValueError, match="asked to fail"):
        call(host, "work", fail=True)
    assert [*BEFORE, "work", "cleanup"] == LOG


def test_order_of_a_stream(host):
    chunks = list(stream(host, "steps", count=2))
    assert chunks == [StreamChunk(0), StreamChunk(1)]
    assert [*BEFORE, 0, 1, "closed", "cleanup"] == LOG


def test_a_stream_closed_early_is_cleaned_up_once(host):
    chunks = stream(host, "steps")
    next(chunks)
    chunks.close()
    chunks.close()
    assert [*BEFORE, 0, "closed", "cleanup"] == LOG


def test_a_stream_that_fails_is_cleaned_up_once(host):
    chunks = stream(host, "broken_steps")
    next(chunks)
    with pytest.raises(ValueError, match="after one"):
        next(chunks)
    assert LOG.count("cleanup") == 1


def test_a_stream_never_started_has_no_life(host):
    stream(host, "steps").close()
    assert LOG == []


def test_a_tool_that_returns_can_be_streamed_as_one_chunk(host):
    assert list(stream(host, "work")) == [StreamChunk("done")]
    assert LOG.count("cleanup") == 1


@pytest.mark.parametrize("value", [[1, 2], (1, 2), {"a": 1}, "text"])
def test_a_list_that_a_tool_returns_is_one_chunk(serve, value):
    class Returning(BaseAdapter):
        __thread_safe__ = True

        @tool(supports_streaming=True)
        def give(self):
            return value

    assert [chunk.data for chunk in stream(serve(Returning), "give")] == [value]


def test_cleanup_runs_when_initialize_fails(serve):
    class Failing(PerRequest):
        def initialize(self):
            raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        call(serve(Failing), "work")
    assert LOG == ["init", "context s", "cleanup"]


def test_async_cleanup_runs_although_the_call_is_over(serve):
    host = serve(AsyncHooks)
    chunks = stream(host, "steps", context := SessionContext("s"))
    next(chunks)
    context.cancel()
    chunks.close()
    assert LOG[-1] == "cleanup"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_of_cleanup_does_not_hide_the_tools(serve, caplog, streamed, asynchronous):
    class Broken(PerRequest):
        def cleanup(self):
            LOG.append("cleanup")
            if asynchronous:
                return self._fail()
            raise OSError("cleanup broke")

        async def _fail(self):
            raise OSError("cleanup broke")

    host = serve(Broken)
    with pytest.raises(
        ValueError, match="asked to fail" if not streamed else "after one"
    ) as caught:
        list(stream(host, "broken_steps")) if streamed else call(host, "work", fail=True)

    assert any("OSError: cleanup broke" in note for note in caught.value.__notes__)
    assert "cleanup broke" in caplog.text
    assert LOG.count("cleanup") == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_of_cleanup_alone_is_the_calls(serve, streamed):
    class Broken(PerRequest):
        def cleanup(self):
            raise OSError("cleanup broke")

    host = serve(Broken)
    with pytest.raises(OSError, match="cleanup broke"):
        list(stream(host, "steps")) if streamed else call(host, "work")


@pytest.mark.parametrize("streamed", [False, True])
def test_cleanup_runs_when_the_context_is_refused(serve, streamed):
    class Refusing(PerRequest):
        def set_session_context(self, session_context):
            raise ValueError("unknown session")

    host = serve(Refusing)
    with pytest.raises(ValueError, match="unknown session"):
        list(stream(host, "steps")) if streamed else call(host, "work")
    assert LOG == ["init", "cleanup"]


SETTING = ContextVar("SETTING", default="untouched")


class Setting(ThreadSafeAdapter):
    __thread_safe__ = True

    @tool
    def change(self):
        SETTING.set("another session's")

    @tool
    def changing_steps(self):
        SETTING.set("this stream's")
        yield SETTING.get()
        yield SETTING.get()

    @tool
    async def changing_async_steps(self):
        SETTING.set("this stream's")
        yield SETTING.get()
        await asyncio.sleep(0)
        yield SETTING.get()

    @tool
    def look(self):
        return SETTING.get()


def test_what_a_tool_sets_in_its_context_is_not_seen_by_the_next_request(serve):
    host = serve(Setting)
    call(host, "change")
    assert call(host, "look") == "untouched"


@pytest.mark.parametrize("name", ["changing_steps", "changing_async_steps"])
def test_what_a_stream_sets_in_its_context_lasts_as_long_as_the_stream(serve, name):
    host = serve(Setting)
    chunks = stream(host, name)
    assert next(chunks).data == "this stream's"
    assert SETTING.get() == "untouched"
    assert call(host, "look") == "untouched"
    assert next(chunks).data == "this stream's"
    chunks.close()


def test_two_streams_on_one_thread_keep_their_sessions_apart(serve):
    class Sessions(ThreadSafeAdapter):
        __thread_safe__ = True

        @tool
        def who(self):
            for _ in range(2):
                yield self.session_id

        def cleanup(self):
            LOG.append(self.session_id)

    host = serve(Sessions)
    one = stream(host, "who", SessionContext("one"))
    two = stream(host, "who", SessionContext("two"))
    seen = [next(s).data for s in (one, two, one, two)]
    one.close()
    two.close()

    assert seen == ["one", "two", "one", "two"]
    assert LOG == ["one", "two"]
    assert host._life._instance.session_context is None


# --- exits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cause"), [("leave", SystemExit), ("interrupt", KeyboardInterrupt)]
)
def test_an_exit_ends_its_call_only(host, name, cause):
    with pytest.raises(ToolExitError, match=f"'{name}' raised {cause.__name__}") as caught:
        call(host, name)
    assert isinstance(caught.value.__cause__, cause)
    assert LOG.count("cleanup") == 1
    assert call(host, "work") == "done"


def test_an_exit_in_a_stream_ends_the_stream_only(host):
    chunks = stream(host, "leaving_steps")
    next(chunks)
    with pytest.raises(ToolExitError):
        next(chunks)
    assert LOG.count("cleanup") == 1


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["_private", "helper", "__init__", "cleanup", "session_id", "no"])
def test_only_declared_tools_can_be_called(host, name):
    for run in (call, lambda *a: list(stream(*a))):
        with pytest.raises(ToolNotFoundError, match=f"no tool '{name}'"):
            run(host, name)
    assert LOG == []


def test_a_misspelt_tool_gets_an_offer(host):
    with pytest.raises(ToolNotFoundError, match="did you mean 'work'"):
        call(host, "wrok")


def test_a_generator_called_as_unary_is_refused_before_anything_runs(host):
    with pytest.raises(StreamingToolError, match="ExecuteStreamingTool"):
        call(host, "steps")
    assert LOG == []


def test_a_generator_that_a_tool_returns_is_refused_and_closed(serve):
    class Hidden(BaseAdapter):
        __thread_safe__ = True

        @tool(supports_streaming=True)
        def rows(self):
            return self._rows()

        def _rows(self):
            yield 1

    host = serve(Hidden)
    with pytest.raises(StreamingToolError):
        call(host, "rows")
    assert [c.data for c in stream(host, "rows")] == [1]


def test_wrong_arguments_are_refused_before_anything_runs(host):
    with pytest.raises(ToolArgumentError, match=r"unknown 'x'; 'fail' must be true or false"):
        call(host, "work", fail="no", x=1)
    assert LOG == []


def test_an_adapter_that_is_not_thread_safe_is_refused_with_the_way_out():
    class Unsafe(BaseAdapter): ...

    class UnsafeShared(ThreadSafeAdapter): ...

    for adapter in (Unsafe, UnsafeShared):
        with pytest.raises(ThreadSafetyError) as caught:
            AdapterHost(adapter)
        text = str(caught.value)
        assert adapter.__qualname__ in text
        assert "`__thread_safe__ = True`" in text
        assert "--serialize" in text
        AdapterHost(adapter, serialize=True)


def test_required_variables_come_from_request_session_or_environment(serve, monkeypatch):
    class Keyed(BaseAdapter):
        __thread_safe__ = True

        @tool(required_variables=["FTBRIDGE_TEST_A", "FTBRIDGE_TEST_B"])
        def f(self):
            return "ran"

    host = serve(Keyed)
    with pytest.raises(MissingVariablesError) as caught:
        call(host, "f")
    assert caught.value.names == ("FTBRIDGE_TEST_A", "FTBRIDGE_TEST_B")
    monkeypatch.setenv("FTBRIDGE_TEST_A", "1")
    assert call(host, "f", SessionContext("s", {"FTBRIDGE_TEST_B": "1"})) == "ran"
    assert call(host, "f", SessionContext("s", session_metadata={"FTBRIDGE_TEST_B": ""})) == "ran"


# --- an execute_tool of the adapter's own ------------------------------------------------------


def by_keyword(self, *, tool_name, arguments, context):
    return "own", tool_name, arguments, context.session_id


def by_position(self, name, args, ctx):
    return "own", name, args, ctx.session_id


async def asynchronous(self, tool_name, arguments, context):
    return "own", tool_name, arguments, context.session_id


@pytest.mark.parametrize("function", [by_keyword, by_position, asynchronous])
def test_an_execute_tool_goes_before_the_tools(serve, function):
    class Own(PerRequest):
        execute_tool = function

    host = serve(Own)
    assert call(host, "work", fail=False) == ("own", "work", {"fail": False}, "s")
    assert call(host, "of its own", x=1) == ("own", "of its own", {"x": 1}, "s")
    with pytest.raises(ToolArgumentError):
        call(host, "work", fail=3)
    assert "work" not in LOG
    assert LOG.count("cleanup") == 2


def test_an_execute_tool_never_sees_a_private_name(serve):
    class Reckless(PerRequest):
        def execute_tool(self, tool_name, arguments, context):
            return getattr(self, tool_name)(**arguments)

    host = serve(Reckless)
    for name in ("_private", "__init__"):
        with pytest.raises(ToolNotFoundError):
            call(host, name)
        with pytest.raises(ToolNotFoundError):
            list(stream(host, name))
    assert LOG == []
    call(host, "helper")
    assert "helper" in LOG


def test_an_execute_tool_may_stream(serve):
    class Own(PerRequest):
        def execute_tool(self, tool_name, arguments, context):
            yield tool_name

    assert [c.data for c in stream(serve(Own), "any")] == ["any"]


# --- one shared instance -----------------------------------------------------------------------


class Shared(ThreadSafeAdapter):
    __thread_safe__ = True

    def __init__(self):
        LOG.append("init")

    def setup(self):
        LOG.append("setup")

    def teardown(self):
        LOG.append("teardown")

    @tool
    def me(self):
        return id(self)


class AsyncShared(Shared):
    async def setup(self):
        LOG.append("setup")

    async def teardown(self):
        LOG.append("teardown")


@pytest.mark.parametrize("adapter", [Shared, AsyncShared])
def test_one_instance_for_all_set_up_and_torn_down_once(adapter):
    host = AdapterHost(adapter)
    run_parallel(host.open, host.open)
    ids = run_parallel(*[lambda: call(host, "me")] * 2, rounds=5)
    run_parallel(host.close, host.close)

    assert len(set(ids)) == 1
    assert LOG == ["init", "setup", "teardown"]


def test_a_base_adapter_has_an_instance_for_every_request(serve):
    host = serve(PerRequest)
    call(host, "work")
    call(host, "work")
    assert LOG.count("init") == 2


@pytest.mark.parametrize("adapter", [PerRequest, Shared])
def test_a_host_that_is_not_open_says_so(adapter):
    host = AdapterHost(adapter)
    name = next(iter(host.tools)) if adapter is Shared else "work"
    with pytest.raises(HostClosedError, match="is not open"):
        call(host, name)
    host.open()
    host.close()
    with pytest.raises(HostClosedError):
        call(host, name)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_setup_that_fails_leaves_the_host_closed_and_nothing_open(asynchronous):
    class Failing(Shared):
        def setup(self):
            if asynchronous:
                return self._setup()
            raise ValueError("no model")

        async def _setup(self):
            raise ValueError("no model")

    host = AdapterHost(Failing)
    with pytest.raises(ValueError, match="no model"):
        host.open()
    with pytest.raises(HostClosedError):
        call(host, "me")
    host.close()
    assert "teardown" not in LOG
    assert host._life._loops is None


# --- one call at a time ------------------------------------------------------------------------


class Meeting(BaseAdapter):
    """Two calls that are inside at the same time meet; with one at a time they cannot."""

    barrier = None
    patience = 0.0

    @tool
    def meet(self):
        try:
            self.barrier.wait(self.patience)
        except threading.BrokenBarrierError:
            return False
        return True

    @tool
    def meeting_stream(self):
        yield self.meet()


class MeetingInParallel(Meeting):
    __thread_safe__ = True


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("adapter", "options", "met"),
    [(Meeting, {"serialize": True}, False), (MeetingInParallel, {}, True)],
)
def test_serialize_runs_one_call_at_a_time(serve, adapter, options, met, streamed):
    host = serve(adapter, **options)
    Meeting.barrier = threading.Barrier(2)
    Meeting.patience = 30.0 if met else 0.2

    def run():
        if streamed:
            return next(c.data for c in list(stream(host, "meeting_stream")))
        return call(host, "meet")

    assert run_parallel(run, run) == [met, met]


def test_a_serialized_call_that_waited_too_long_does_not_run(serve):
    host = serve(PerRequest, serialize=True)
    cancelled = SessionContext()
    cancelled.cancel()
    with pytest.raises(ToolCancelledError):
        call(host, "work", cancelled)
    with pytest.raises(ToolDeadlineError):
        list(stream(host, "steps", SessionContext(deadline=time.monotonic() - 1)))
    assert LOG == []


def test_a_call_that_waits_for_another_gives_up_at_its_deadline(serve):
    class Slow(BaseAdapter):
        @tool
        def slow(self):
            entered.set()
            assert done.wait(30)

        @tool
        def quick(self):
            LOG.append("quick")

    host = serve(Slow, serialize=True)
    entered, done = threading.Event(), threading.Event()

    def late():
        assert entered.wait(30)
        try:
            with pytest.raises(ToolDeadlineError):
                call(host, "quick", SessionContext(deadline=time.monotonic() + 0.02))
        finally:
            done.set()  # only now: a call that waited for the slow one would wait for ever

    run_parallel(lambda: call(host, "slow"), late)

    assert LOG == []


def test_a_serialized_stream_may_be_closed_by_another_thread(serve):
    host = serve(PerRequest, serialize=True)
    chunks = stream(host, "steps")
    next(chunks)

    run_parallel(chunks.close)

    in_time = SessionContext("s", deadline=time.monotonic() + 30)
    assert call(host, "work", in_time) == "done"


# --- adapters written for the incumbent --------------------------------------------------------


class Incumbent(BaseAdapter):
    """Forms that the adapter guide shows; only the imports and the declaration differ."""

    __thread_safe__ = True

    def __init__(self):
        super().__init__()
        self.session_context = None

    def set_session_context(self, session_context):
        self.session_context = session_context

    @tool(description="Add two numbers together")
    def add(self, a: float, b: float) -> float:
        return a + b

    @tool(description="Get session info")
    def get_session_info(self) -> dict:
        return {
            "session_id": self.session_context.session_id,
            "metadata": self.session_context.request_metadata,
        }

    @tool(description="Stream data chunks", supports_streaming=True)
    def stream_data(self, count: int = 5):
        for i in range(count):
            yield StreamChunk(data={"index": i + 1, "total": count}, is_final=(i == count - 1))

    @tool(description="Stream progress", supports_streaming=True)
    def process_with_progress(self, items: int = 10):
        for i in range(items):
            yield {
                "data": {"item": i + 1, "progress": (i + 1) / items * 100},
                "is_final": (i == items - 1),
            }


def test_forms_of_the_guide_work_as_they_are(serve):
    host = serve(Incumbent)
    context = SessionContext("s1", {"k": "v"})

    assert call(host, "add", a=1, b=2.5) == 3.5
    assert call(host, "get_session_info", context) == {"session_id": "s1", "metadata": {"k": "v"}}
    assert list(stream(host, "stream_data", count=2)) == [
        StreamChunk({"index": 1, "total": 2}, False),
        StreamChunk({"index": 2, "total": 2}, True),
    ]
    assert list(stream(host, "process_with_progress", items=2)) == [
        StreamChunk({"item": 1, "progress": 50.0}, False),
        StreamChunk({"item": 2, "progress": 100.0}, True),
    ]
