"""Async tools: one loop a thread, stopped by cancellation and deadline, nothing left over."""

import asyncio
import threading
import time

import pytest

from ftbridge import AdapterHost, SessionContext, ThreadSafeAdapter, tool
from ftbridge.adapters.errors import (
    AdapterError,
    HostClosedError,
    ToolCancelledError,
    ToolDeadlineError,
    ToolExitError,
)
from ftbridge.adapters.loops import HandlerLoop
from ftstress import run_parallel


class Async(ThreadSafeAdapter):
    __thread_safe__ = True

    def __init__(self):
        self.entered = threading.Event()
        self.log = []
        self.tasks = []

    @tool
    async def loop(self):
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    @tool
    async def loops(self, count: int = 2):
        try:
            for _ in range(count):
                await asyncio.sleep(0)
                yield asyncio.get_running_loop()
        finally:
            await asyncio.sleep(0)
            self.log.append("generator closed")

    @tool
    async def for_ever(self):
        self.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append("unwound")

    @tool
    async def within_a_timeout(self):
        async with asyncio.timeout(0.02):
            yield 1
            await asyncio.Event().wait()

    @tool
    async def within_a_group(self):
        async def fail():
            await asyncio.sleep(0)
            raise ValueError("a child failed")

        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            yield 1
            await asyncio.Event().wait()

    @tool
    async def tidy(self):
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.log.append("tidied")

    @tool
    async def leaving_items(self):
        yield 1
        raise SystemExit(3)

    @tool
    async def stubborn(self):
        try:
            yield 1
        except asyncio.CancelledError:
            self.log.append("refused")
        yield 2
        yield 3

    @tool
    async def stop_the_loop(self):
        asyncio.get_running_loop().stop()
        await asyncio.Event().wait()

    @tool
    async def leave_a_task(self):
        self.tasks.append(asyncio.create_task(asyncio.Event().wait()))

    @tool
    async def nested(self):
        return self.host.call("loop", {}, SessionContext())

    @tool
    async def cancel_itself(self):
        raise asyncio.CancelledError


@pytest.fixture
def host():
    host = AdapterHost(Async)
    host.open()
    host._life._instance.host = host
    yield host
    host.close()


def call(host, name, context=None):
    return host.call(name, {}, context or SessionContext())


def test_a_thread_keeps_its_loop_and_two_threads_have_two(host):
    def use():
        loops = [call(host, "loop"), call(host, "loop")]
        loops += [chunk.data for chunk in host.stream("loops", {}, SessionContext())]
        return loops

    mine, other = run_parallel(use, use)

    assert len(set(map(id, mine))) == 1
    assert len(set(map(id, other))) == 1
    assert mine[0] is not other[0]


def test_a_loop_is_closed_with_its_thread_and_with_the_host(host):
    ended = run_parallel(lambda: call(host, "loop"))[0]
    assert ended.is_closed()
    mine = call(host, "loop")
    assert not mine.is_closed()
    host.close()
    assert mine.is_closed()


def test_cancelling_the_call_unwinds_the_tool(host):
    context = SessionContext()

    def cancel():
        assert host._life._instance.entered.wait(30)
        context.cancel("caller left")

    def run():
        with pytest.raises(ToolCancelledError, match="caller left"):
            call(host, "for_ever", context)

    run_parallel(run, cancel)

    assert host._life._instance.log == ["unwound"]


def test_a_call_cancelled_before_it_starts_ends_at_its_first_await(host):
    context = SessionContext()
    context.cancel()
    with pytest.raises(ToolCancelledError):
        call(host, "for_ever", context)
    assert host._life._instance.log == ["unwound"]


def test_the_deadline_unwinds_the_tool(host):
    with pytest.raises(ToolDeadlineError):
        call(host, "for_ever", SessionContext(deadline=time.monotonic() + 0.02))
    assert host._life._instance.log == ["unwound"]


def test_a_tool_that_cancels_itself_is_reported_as_that(host):
    with pytest.raises(ToolCancelledError, match="from inside"):
        call(host, "cancel_itself")


def test_a_task_left_over_ends_with_its_call(host):
    call(host, "leave_a_task")
    assert host._life._instance.tasks[0].cancelled()


def test_closing_a_stream_early_closes_the_async_generator(host):
    stream = host.stream("loops", {"count": 5}, SessionContext())
    next(stream)
    assert host._life._instance.log == []
    stream.close()
    assert host._life._instance.log == ["generator closed"]


def test_cancelling_between_two_items_ends_the_stream(host):
    context = SessionContext()
    stream = host.stream("loops", {"count": 5}, context)
    next(stream)
    context.cancel("enough")
    with pytest.raises(ToolCancelledError, match="enough"):
        next(stream)
    assert host._life._instance.log == ["generator closed"]


def test_a_tool_that_stops_the_loop_fails_and_the_next_one_runs(host):
    with pytest.raises(RuntimeError, match="stopped before"):
        call(host, "stop_the_loop")
    assert call(host, "loop") is not None


def items(host, name, context=None):
    return host.stream(name, {}, context or SessionContext())


def test_a_timeout_around_a_yield_fires(host):
    chunks = items(host, "within_a_timeout", SessionContext(deadline=time.monotonic() + 30))
    assert next(chunks).data == 1
    with pytest.raises(TimeoutError):
        next(chunks)


def test_a_task_group_around_a_yield_ends_with_its_child(host):
    chunks = items(host, "within_a_group", SessionContext(deadline=time.monotonic() + 30))
    assert next(chunks).data == 1
    with pytest.raises(ExceptionGroup) as caught:
        next(chunks)
    assert caught.group_contains(ValueError, match="a child failed")


@pytest.mark.parametrize("expired", [False, True])
def test_clean_up_is_interrupted_neither_by_cancellation_nor_by_the_deadline(host, expired):
    """Both may come, and each would cancel: the second one would hit what the first began."""
    context = SessionContext()
    chunks = items(host, "tidy", context)
    next(chunks)
    if expired:
        context.deadline = time.monotonic() - 1
    context.cancel("caller left")
    with pytest.raises(ToolDeadlineError if expired else ToolCancelledError):
        next(chunks)
    assert host._life._instance.log == ["tidied"]


def test_an_exit_in_an_async_stream_ends_that_stream_only(host):
    chunks = items(host, "leaving_items")
    next(chunks)
    with pytest.raises(ToolExitError):
        next(chunks)
    assert call(host, "loop") is not None


def test_a_tool_that_refuses_to_be_cancelled_goes_on(host):
    context = SessionContext()
    chunks = items(host, "stubborn", context)
    next(chunks)
    context.cancel()
    assert [chunk.data for chunk in chunks] == [2, 3]
    assert host._life._instance.log == ["refused"]


def test_a_stream_still_open_when_the_host_closes_is_cleaned_up(host):
    adapter = host._life._instance
    chunks = items(host, "tidy")
    next(chunks)
    host.close()
    assert adapter.log == ["tidied"]
    with pytest.raises(HostClosedError):
        next(chunks)


def test_calling_the_host_from_an_async_tool_is_refused_and_does_not_hang(host):
    with pytest.raises(AdapterError, match="await from it"):
        call(host, "nested")
    assert call(host, "loop") is not None


def test_a_stream_whose_host_was_closed_says_so(host):
    stream = host.stream("loops", {"count": 5}, SessionContext())
    next(stream)
    host.close()
    with pytest.raises(HostClosedError, match="closed while the call ran"):
        next(stream)


def test_a_loop_retired_while_it_runs_is_closed_when_it_is_done():
    loop = HandlerLoop()

    async def retire():
        loop.close()
        assert not loop._loop.is_closed()
        return "ran on"

    assert loop.run(retire(), SessionContext()) == "ran on"
    assert loop._loop.is_closed()


def test_a_loop_retired_in_the_last_moment_is_closed_all_the_same():
    """close() comes when the coroutine is done but the loop's lock is still held."""
    loop = HandlerLoop()

    class LateContext(SessionContext):
        __slots__ = ()

        def remove_cancel_callback(self, callback):
            loop.close()

    async def done(): ...

    loop.run(done(), LateContext())

    assert loop._loop.is_closed()
