"""`SessionContext`: cancellation and deadlines that a tool can ask about."""

import asyncio
import contextvars
import threading
import time

import pytest
from bridge.races import Meeting, NoLock, at_once

from ftbridge import AdapterError, SessionContext, current_session
from ftbridge.adapters.context import CURRENT
from ftbridge.adapters.errors import ToolCancelledError, ToolDeadlineError
from ftbridge.adapters.host_access import HostToolDeadlineError, HostUnavailableError
from ftbridge.adapters.single_flight import SingleFlight, _Flight
from ftstress import run_parallel


def test_a_new_context_is_active():
    context = SessionContext("s", {"correlation_id": "c"})
    context.raise_if_cancelled()
    assert not context.cancelled
    assert context.time_remaining() is None
    assert context.correlation_id == "c"
    assert repr(context) == "<SessionContext session_id='s' active>"


def test_cancel_keeps_its_first_reason_and_runs_callbacks_once_in_order():
    context = SessionContext()
    called = []
    context.add_cancel_callback(lambda: called.append(1))
    context.add_cancel_callback(lambda: called.append(2))

    context.cancel("first")
    context.cancel("second")

    assert called == [1, 2]
    assert context.cancelled
    with pytest.raises(ToolCancelledError, match="first"):
        context.raise_if_cancelled()


def test_a_callback_added_late_runs_at_once_and_a_removed_one_never():
    context = SessionContext()
    called = []

    def removed():
        called.append("removed")

    context.add_cancel_callback(removed)
    context.remove_cancel_callback(removed)
    context.remove_cancel_callback(removed)
    context.cancel()
    context.add_cancel_callback(lambda: called.append("late"))

    assert called == ["late"]


def test_a_deadline_cancels_by_itself():
    context = SessionContext(deadline=time.monotonic() - 1)
    assert context.cancelled
    assert context.time_remaining() == 0.0
    with pytest.raises(ToolDeadlineError):
        context.raise_if_cancelled()
    assert 0 < SessionContext(deadline=time.monotonic() + 60).time_remaining() <= 60


def test_wait_cancelled_wakes_up_at_cancel_and_gives_up_at_its_timeout():
    context = SessionContext()
    assert context.wait_cancelled(timeout=0.001) is False

    woken, _ = run_parallel(lambda: context.wait_cancelled(timeout=30), context.cancel)

    assert woken is True
    assert SessionContext(deadline=time.monotonic() - 1).wait_cancelled() is True


def test_callbacks_run_once_whoever_cancels():
    for _ in range(50):
        context = SessionContext()
        called = []
        context.add_cancel_callback(lambda called=called: called.append(1))
        run_parallel(context.cancel, context.cancel)
        assert called == [1]


def test_current_session_is_for_code_in_a_request():
    with pytest.raises(AdapterError, match="no current request"):
        current_session()
    context = SessionContext("s")

    def inside():
        CURRENT.set(context)
        found = []
        carried = contextvars.copy_context()
        thread = threading.Thread(
            target=carried.run, args=(lambda: found.append(current_session()),)
        )
        thread.start()
        thread.join()
        return found

    assert contextvars.copy_context().run(inside) == [context]


class RecordingHost:
    """A host that keeps what it was asked, and answers what the test says."""

    def __init__(self, *answers: object) -> None:
        self.lists = 0
        self.calls: list[tuple[str, dict[str, object], float | None]] = []
        self.answers = list(answers)
        self.entered = threading.Event()

    def list_host_tools(self, context):
        self.lists += 1
        if self.answers:
            raise self.answers.pop(0)
        parameters = {"value": {"type": "any", "required": True}}
        return {"store": {"name": "store", "description": "Keep it.", "parameters": parameters}}

    def call_host_tool(self, context, name, arguments, deadline):
        self.calls.append((name, arguments, deadline))
        if name == "wait":
            self.entered.set()
            assert context.wait_cancelled(20)
            context.raise_if_cancelled()
        return {"by": threading.get_ident()}


def test_host_tools_are_loaded_when_first_asked_for_and_once():
    host = RecordingHost()
    context = SessionContext("s", host=host)
    assert host.lists == 0
    assert "store" in context.elixir_tools
    assert context.host_tools["store"]["description"] == "Keep it."
    run_parallel(*[lambda: context.host_tools] * 4)
    assert host.lists == 1
    # Another request asks anew: the host may have other tools by then.
    assert "other" not in SessionContext("s", host=host).host_tools
    assert host.lists == 2


def test_many_threads_that_ask_at_once_load_the_list_once():
    for _ in range(20):
        host = RecordingHost()
        context = SessionContext("s", host=host)
        run_parallel(*[lambda context=context: list(context.host_tools)] * 4)
        assert host.lists == 1


def test_a_failed_load_is_raised_and_not_kept():
    context = SessionContext("s", host=RecordingHost(HostUnavailableError("away")))
    with pytest.raises(HostUnavailableError):
        context.elixir_tools  # noqa: B018
    assert list(context.elixir_tools) == ["store"]


def test_a_list_that_another_thread_is_loading_is_waited_for_until_the_deadline():
    context = SessionContext("s", deadline=time.monotonic() - 1, host=RecordingHost())
    context._host_tools = loading = SingleFlight()
    loading._flight = _Flight()  # another thread is at it, and stays at it
    with pytest.raises(HostToolDeadlineError):
        context.host_tools  # noqa: B018


def test_calls_take_every_form():
    host = RecordingHost()
    context = SessionContext("s", host=host)
    context.call_elixir_tool("store", value=1)
    context.call_host_tool("store", {"value": 2})
    before = time.monotonic()
    context.call_elixir_tool("store", input={"value": 3}, options={"timeout": 5000})
    context.elixir_tools["store"](value=4)
    assert [arguments["value"] for _, arguments, _ in host.calls] == [1, 2, 3, 4]
    deadlines = [deadline for _, _, deadline in host.calls]
    assert deadlines[0] is deadlines[1] is deadlines[3] is None
    assert before + 5 <= deadlines[2] <= time.monotonic() + 5


def test_async_code_calls_the_host_without_blocking_its_loop():
    host = RecordingHost()
    context = SessionContext("s", host=host)

    async def tool():
        waiting = asyncio.create_task(context.acall_elixir_tool("wait"))
        tools = await context.aload_host_tools()
        found = await context.acall_host_tool("store", {"value": 1})
        also = await asyncio.to_thread(tools["store"], value=2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return found, also

    found, also = asyncio.run(tool())
    assert threading.get_ident() not in (found["by"], also["by"])
    assert not context.cancelled  # the task's end is not the request's
    assert context._callbacks == []


def test_the_requests_end_reaches_an_async_call():
    host = RecordingHost()
    context = SessionContext("s", host=host)

    async def tool():
        waiting = asyncio.create_task(context.acall_host_tool("wait"))
        await asyncio.to_thread(host.entered.wait, 20)
        context.cancel("gone")
        await waiting

    with pytest.raises(ToolCancelledError):
        asyncio.run(tool())


@pytest.mark.parametrize("locked", [True, False])
def test_threads_that_ask_first_at_once_share_one_list_thanks_to_the_lock(locked, monkeypatch):
    meeting = Meeting(2, locked=locked)

    class Meets(SingleFlight):
        def __init__(self):
            super().__init__()
            meeting()

    monkeypatch.setattr("ftbridge.adapters.context.SingleFlight", Meets)
    host = RecordingHost()
    context = SessionContext("s", host=host)
    if not locked:
        context._lock = NoLock()
    at_once([lambda: context.host_tools] * 2)
    assert host.lists == (1 if locked else 2)
