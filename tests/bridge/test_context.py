from __future__ import annotations

import pytest
from bridge.fake_call import FakeCall

from ftbridge.adapters.errors import ToolCancelledError, ToolDeadlineError
from ftbridge.bridge.context import CallContext, correlation_id
from ftbridge.rpc.status import StatusCode
from ftbridge.telemetry import CORRELATION_HEADER


def make(call: FakeCall) -> CallContext:
    return CallContext(call, "s1", {"k": "v"}, {"node": "n"})


def test_what_a_tool_sees():
    call = FakeCall(timeout=60)
    context = make(call)
    assert context.session_id == "s1"
    assert context.request_metadata == {"k": "v"}
    assert context.session_metadata == {"node": "n"}
    assert context.deadline == call.deadline
    assert 0 < context.time_remaining() <= 60
    assert not context.cancelled
    context.raise_if_cancelled()


def test_a_small_call_registers_nothing():
    call = FakeCall()
    make(call)
    assert not call.callbacks


def test_cancellation_is_seen_without_a_callback():
    call = FakeCall()
    context = make(call)
    call.ended_with = StatusCode.CANCELLED
    assert context.cancelled
    with pytest.raises(ToolCancelledError):
        context.raise_if_cancelled()


def test_cancellation_is_pushed_to_whoever_asked_once():
    call = FakeCall()
    context = make(call)
    told: list[str] = []
    context.add_cancel_callback(lambda: told.append("a"))
    context.add_cancel_callback(lambda: told.append("b"))
    assert len(call.callbacks) == 1
    call.end()
    assert told == ["a", "b"]
    context.add_cancel_callback(lambda: told.append("late"))
    assert told == ["a", "b", "late"]


def test_a_call_that_ended_before_is_told_at_once():
    call = FakeCall()
    context = make(call)
    call.end()
    told: list[str] = []
    context.add_cancel_callback(lambda: told.append("x"))
    assert told == ["x"]


def test_waiting_ends_with_the_call():
    call = FakeCall()
    context = make(call)
    context.add_cancel_callback(lambda: None)
    call.end()
    assert context.wait_cancelled(timeout=30)


def test_a_deadline_that_passed():
    context = make(FakeCall(timeout=-1))
    assert context.cancelled
    with pytest.raises(ToolDeadlineError):
        context.raise_if_cancelled()


@pytest.mark.parametrize(
    ("header", "metadata", "expected"),
    [
        ((), {}, ""),
        ((), {"correlation_id": "m"}, "m"),
        (((CORRELATION_HEADER, "h"),), {}, "h"),
        ((("other", "x"), (CORRELATION_HEADER, "h")), {"correlation_id": "m"}, "h"),
    ],
)
def test_the_correlation_id_comes_from_the_header_first(header, metadata, expected):
    assert correlation_id(FakeCall(metadata=header), metadata) == expected
