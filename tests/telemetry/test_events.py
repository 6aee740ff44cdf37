from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from bridge.races import Meeting, NoLock, at_once

from ftbridge import telemetry
from ftbridge.adapters.context import CURRENT, SessionContext
from ftbridge.telemetry import Event, events


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    got: list[Event] = []
    telemetry.add_listener(got.append)
    yield got
    telemetry.remove_listener(got.append)


def test_nobody_listens():
    assert not telemetry.is_enabled()
    telemetry.emit("a", {"count": 1})
    with telemetry.span("b"):
        pass


def test_without_listeners_the_tuple_is_the_immortal_empty_one():
    def listener(_: Event) -> None: ...

    telemetry.add_listener(listener)
    assert telemetry.is_enabled()
    telemetry.remove_listener(listener)
    telemetry.remove_listener(listener)
    assert events._listeners is ()  # noqa: F632 - identity is the point


def test_emit(heard):
    telemetry.emit("a.b", {"count": 1}, {"k": 2}, correlation_id="c")
    [event] = heard
    assert (event.name, event.measurements, event.metadata) == ("a.b", {"count": 1}, {"k": 2})
    assert (event.correlation_id, event.operation) == ("c", None)
    assert event.timestamp_ns > 1_600_000_000_000_000_000


def test_a_span_has_a_start_and_a_stop(heard):
    with telemetry.span("work", {"rows": 3}) as span:
        span.metadata["found"] = 1
    start, stop = heard
    assert (start.name, stop.name) == ("work.start", "work.stop")
    assert (start.phase, stop.phase, start.operation) == ("start", "stop", "work")
    assert start.measurements["system_time"] > 1_600_000_000_000_000_000
    assert stop.measurements["duration"] > 0
    assert (start.metadata, stop.metadata) == ({"rows": 3}, {"rows": 3, "found": 1})
    assert start.sampling_key == stop.sampling_key != 0


def test_a_span_that_fails_says_how_and_lets_it_pass(heard):
    with pytest.raises(ValueError, match="no"), telemetry.span("work"):
        raise ValueError("no")
    assert heard[1].name == "work.exception"
    assert heard[1].metadata == {"error_type": "ValueError", "error_message": "no"}


def test_a_generator_that_is_closed_has_not_failed(heard):
    def items() -> Iterator[int]:
        with telemetry.span("work"):
            yield 1

    running = items()
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert [event.phase for event in heard] == ["start", "stop"]


def test_a_listener_that_comes_during_a_span_does_not_hear_its_end(heard):
    late: list[Event] = []
    with telemetry.span("work"):
        telemetry.add_listener(late.append)
    telemetry.remove_listener(late.append)
    assert late == []
    assert len(heard) == 2


def test_a_spans_correlation_id_is_everythings_inside(heard):
    with telemetry.span("work", correlation_id="mine"):
        telemetry.emit("inside")
    telemetry.emit("outside")
    assert [event.correlation_id for event in heard] == ["mine", "mine", "mine", ""]


def test_a_listener_that_fails_fails_nothing_and_is_reported_once(heard, caplog):
    def broken(event: Event) -> None:
        raise RuntimeError("broken listener")

    telemetry.add_listener(broken)
    telemetry.emit("a")
    telemetry.emit("b")
    telemetry.remove_listener(broken)
    assert [event.name for event in heard] == ["a", "b"]
    assert len(caplog.records) == 1


def test_threads_of_many_requests_keep_their_ids_apart(heard):
    meeting = threading.Barrier(4)

    def serve(n: int) -> None:
        CURRENT.set(SessionContext("s", {"correlation_id": f"c{n}"}))
        meeting.wait(10)
        for _ in range(50):
            with telemetry.span("work", {"n": n}):
                telemetry.emit("step", {}, {"n": n})

    assert at_once([lambda n=n: serve(n) for n in range(4)]) == [None] * 4
    assert len(heard) == 4 * 50 * 3
    assert all(event.correlation_id == f"c{event.metadata['n']}" for event in heard)


def test_an_error_that_cannot_say_what_it_is(heard):
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(MuteError), telemetry.span("work"):
        raise MuteError
    assert heard[1].metadata == {"error_type": "MuteError", "error_message": ""}


@pytest.mark.parametrize("fails_at", ["begin", "end"])
def test_a_tracer_that_fails_fails_no_tool(heard, caplog, fails_at):
    class Broken:
        def begin(self, operation, metadata):
            if fails_at == "begin":
                raise RuntimeError("no trace today")

        def end(self, span, metadata, error):
            raise RuntimeError("no end today")

    events.set_tracer(Broken())
    try:
        with telemetry.span("work"):
            pass
    finally:
        events.set_tracer(None)
    assert [event.phase for event in heard] == ["start", "stop"]
    assert len(caplog.records) == 1


def test_nonsense_is_the_listeners_problem_and_not_the_tools(heard):
    telemetry.emit("a", 5, 7)  # type: ignore[arg-type]
    assert [event.name for event in heard] == ["a"]


@pytest.mark.parametrize("locked", [True, False])
def test_listeners_that_come_at_once_are_both_kept_thanks_to_the_lock(locked, monkeypatch):
    meeting = Meeting(2, locked=locked)

    class Slow(tuple):
        __slots__ = ()

        def __iter__(self) -> Iterator[object]:
            meeting()
            return super().__iter__()

    monkeypatch.setattr(events, "_listeners", Slow())
    if not locked:
        monkeypatch.setattr(events, "_lock", NoLock())
    one, two = [], []
    at_once(
        [lambda: telemetry.add_listener(one.append), lambda: telemetry.add_listener(two.append)]
    )
    assert len(events._listeners) == (2 if locked else 1)
