from __future__ import annotations

import threading

import pytest
from bridge.races import Meeting, NoLock, at_once, meet_after_reading

from ftbridge.bridge.catalogue import (
    EVENT_NAMES,
    EXECUTION_EXCEPTION,
    EXECUTION_START,
    EXECUTION_STOP,
    MEASUREMENT_KEYS,
)
from ftbridge.bridge.telemetry import TelemetryHub, TelemetryNameError
from ftbridge.wire import messages as m


def toggle(enabled: bool) -> m.TelemetryControl:
    return m.TelemetryControl(toggle=m.TelemetryToggle(enabled=enabled))


def sampling(rate: float, *patterns: str) -> m.TelemetryControl:
    update = m.TelemetrySamplingUpdate(sampling_rate=rate, event_patterns=list(patterns))
    return m.TelemetryControl(sampling=update)


def filtering(allow: list[str], deny: list[str]) -> m.TelemetryControl:
    return m.TelemetryControl(filter=m.TelemetryEventFilter(allow=allow, deny=deny))


def drain(subscription) -> list[m.TelemetryEvent]:
    subscription.close()
    return list(subscription)


def names(subscription) -> list[str]:
    return [".".join(event.event_parts) for event in drain(subscription)]


def run_call(hub: TelemetryHub, started: int = 7, error: BaseException | None = None) -> None:
    hub.tool_started(started, "add", "s1", "c1")
    hub.tool_ended(started, "add", "s1", "c1", error)


def test_a_call_has_a_start_and_a_stop():
    hub = TelemetryHub()
    subscription = hub.subscribe()
    run_call(hub)
    start, stop = drain(subscription)
    assert start.event_parts == ["tool", "execution", "start"]
    assert stop.event_parts == ["tool", "execution", "stop"]
    assert start.metadata == {"tool": "add", "session_id": "s1"}
    assert (start.correlation_id, stop.correlation_id) == ("c1", "c1")
    assert start.timestamp_ns > 1_600_000_000_000_000_000
    assert stop.measurements["duration"].int_value > 0
    for event in (start, stop):
        assert event.measurements.keys() <= MEASUREMENT_KEYS
        assert ".".join(event.event_parts) in EVENT_NAMES
        assert m.TelemetryEvent.decode(event.encode()) == event


def test_a_failed_call_says_what_kind_of_error():
    hub = TelemetryHub()
    subscription = hub.subscribe()
    run_call(hub, error=ValueError("secret"))
    _, event = drain(subscription)
    assert event.event_parts == ["tool", "execution", "exception"]
    assert event.metadata["error_type"] == "ValueError"
    assert "secret" not in repr(event)


def test_without_a_subscription_nobody_listens():
    hub = TelemetryHub()
    assert not hub.active
    subscription = hub.subscribe()
    assert hub.active
    subscription.close()
    assert not hub.active
    run_call(hub)


def test_every_subscription_gets_every_event():
    hub = TelemetryHub()
    one, two = hub.subscribe(), hub.subscribe()
    run_call(hub)
    assert names(one) == names(two) == [EXECUTION_START, EXECUTION_STOP]


def test_toggle():
    hub = TelemetryHub()
    subscription = hub.subscribe()
    subscription.apply(toggle(False))
    run_call(hub)
    subscription.apply(toggle(True))
    hub.tool_ended(1, "t", "s", "")
    assert names(subscription) == [EXECUTION_STOP]


def test_deny_wins_over_allow_and_empty_lists_mean_all():
    hub = TelemetryHub()
    subscription = hub.subscribe()
    subscription.apply(filtering(["tool.execution.*"], ["*.start"]))
    run_call(hub)
    hub.emit("python.gc.completed", {"count": 1})
    subscription.apply(filtering([], []))
    hub.emit("python.gc.completed", {"count": 1})
    assert names(subscription) == [EXECUTION_STOP, "python.gc.completed"]


def test_sampling_keeps_or_drops_whole_calls_in_proportion():
    hub = TelemetryHub()
    subscription = hub.subscribe(capacity=100_000)
    subscription.apply(sampling(0.25))
    for n in range(4000):
        run_call(hub, started=1_000_000 + 1000 * n)
    got = names(subscription)
    starts, stops = got.count(EXECUTION_START), got.count(EXECUTION_STOP)
    assert starts == stops
    assert 900 < starts < 1100


@pytest.mark.parametrize(
    ("rate", "kept"), [(0.0, 0), (-1.0, 0), (1.0, 2), (7.0, 2), (float("nan"), 2)]
)
def test_sampling_bounds(rate, kept):
    hub = TelemetryHub()
    subscription = hub.subscribe()
    subscription.apply(sampling(rate))
    run_call(hub)
    assert len(names(subscription)) == kept


def test_sampling_patterns_limit_the_rate_to_what_they_match():
    hub = TelemetryHub()
    subscription = hub.subscribe()
    subscription.apply(sampling(0.0, "tool.*"))
    run_call(hub)
    hub.emit("python.error.occurred", {"count": 1})
    assert names(subscription) == ["python.error.occurred"]


def test_one_control_leaves_what_the_others_set():
    hub = TelemetryHub()
    subscription = hub.subscribe()
    subscription.apply(filtering([], ["*.start"]))
    subscription.apply(sampling(1.0))
    subscription.apply(toggle(True))
    subscription.apply(m.TelemetryControl())
    run_call(hub)
    assert names(subscription) == [EXECUTION_STOP]


def test_a_full_queue_drops_the_newest_and_counts_them():
    hub = TelemetryHub()
    subscription = hub.subscribe(capacity=3)
    for n in range(5):
        hub.emit("tool.result_size", {"message_size": n})
    assert subscription.dropped == 2
    sizes = [event.measurements["message_size"].int_value for event in drain(subscription)]
    assert sizes == [0, 1, 2]


def test_a_waiting_reader_is_woken_by_an_event_and_by_close():
    hub = TelemetryHub()
    subscription = hub.subscribe()
    got: list[m.TelemetryEvent] = []
    first = threading.Event()

    def read() -> None:
        for event in subscription:
            got.append(event)
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    hub.emit("tool.result_size", {"message_size": 1})
    assert first.wait(10)
    subscription.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(got) == 1


def test_close_twice_and_next_after_the_end():
    subscription = TelemetryHub().subscribe()
    subscription.close()
    subscription.close()
    assert list(subscription) == []
    assert list(subscription) == []


def test_closing_the_hub_ends_all_streams_present_and_future():
    hub = TelemetryHub()
    before = hub.subscribe()
    hub.close()
    assert list(before) == []
    assert list(hub.subscribe()) == []
    assert not hub.active


def test_names_and_keys_the_host_would_drop_are_errors():
    hub = TelemetryHub()
    with pytest.raises(TelemetryNameError, match=r"'model\.inference'"):
        hub.emit("model.inference", {})
    with pytest.raises(TelemetryNameError, match=r"\['tokens'\]"):
        hub.emit("python.call.stop", {"duration": 1, "tokens": 5})


def test_measurements_keep_their_kind():
    hub = TelemetryHub()
    subscription = hub.subscribe()
    hub.emit(
        "python.memory.sampled",
        {"rss_bytes": 5, "cpu_percent": 1.5, "count": True, "bytes": 1 << 63, "collected": "x"},
        {"tool": "t"},
        correlation_id="c",
    )
    [event] = drain(subscription)
    values = event.measurements
    assert values["rss_bytes"].int_value == 5
    assert values["cpu_percent"].float_value == 1.5
    assert values["count"].int_value == 1
    assert values["bytes"].float_value == 2.0**63
    assert values["collected"].string_value == "x"
    assert m.TelemetryEvent.decode(event.encode()) == event


def test_exception_is_an_event_the_host_knows():
    assert EXECUTION_EXCEPTION in EVENT_NAMES


def test_many_threads_emit_and_nothing_is_lost_or_invented():
    hub = TelemetryHub()
    subscription = hub.subscribe(capacity=1_000_000)
    small = hub.subscribe(capacity=10)
    barrier = threading.Barrier(4)

    def emit() -> None:
        barrier.wait(10)
        for n in range(500):
            hub.emit("tool.result_size", {"message_size": n})

    threads = [threading.Thread(target=emit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drain(subscription)) == 2000
    kept = len(drain(small))
    assert kept + small.dropped == 2000
    assert 10 <= kept <= 13  # the bound, and one more for each other thread


@pytest.mark.parametrize("locked", [True, False])
def test_streams_that_open_at_once_are_both_served_thanks_to_the_lock(locked):
    hub = TelemetryHub()
    if not locked:
        hub._lock = NoLock()  # type: ignore[assignment]
    meet_after_reading(hub, "_subscriptions", Meeting(2, locked=locked))
    at_once([hub.subscribe, hub.subscribe])
    meet_after_reading(hub, "_subscriptions", Meeting(1, locked=True))
    assert len(hub._subscriptions) == (2 if locked else 1)


@pytest.mark.parametrize("locked", [True, False])
def test_a_stream_that_closes_while_another_opens_is_forgotten_thanks_to_the_lock(locked):
    hub = TelemetryHub()
    old = hub.subscribe()
    if not locked:
        hub._lock = NoLock()  # type: ignore[assignment]
    meet_after_reading(hub, "_subscriptions", Meeting(2, locked=locked))
    at_once([old.close, hub.subscribe])
    meet_after_reading(hub, "_subscriptions", Meeting(1, locked=True))
    right = len(hub._subscriptions) == 1 and old not in hub._subscriptions
    assert right is locked
