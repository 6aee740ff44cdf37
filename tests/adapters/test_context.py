"""`SessionContext`: cancellation and deadlines that a tool can ask about."""

import contextvars
import threading
import time

import pytest

from ftbridge import AdapterError, SessionContext, current_session
from ftbridge.adapters.context import CURRENT
from ftbridge.adapters.errors import ToolCancelledError, ToolDeadlineError
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
