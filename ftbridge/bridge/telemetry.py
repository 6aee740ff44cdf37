"""Telemetry of tool calls, and the streams on which hosts receive it.

The Elixir host opens ``StreamTelemetry`` once per worker and re-emits what arrives under its own
event names. It takes no chances: an event whose name or any measurement key is not in its
catalogue is dropped whole. So only names and keys of that catalogue leave here, and a wrong one
is an error where it is emitted, not silence at the other end.

Emitting never waits: each stream has a bounded queue, and when its reader is slow the newest
events are dropped and counted. Without a stream, emitting costs one attribute read.

Sampling decides by the call, not by the event, so that no start arrives without its end.

Never imports the transport; the stream is an iterator that any transport can drain.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ftbridge.wire import messages
from ftlocks import ShardedCounter

_log = logging.getLogger("ftbridge.telemetry")

DEFAULT_CAPACITY = 1024
"""Events that may wait on one stream; the stock worker's size. About 500 KB when full."""

MAX_PATTERNS = 256
"""Patterns of a filter or sampling update that are kept. Each event is matched against them."""

EXECUTION_START = "tool.execution.start"
EXECUTION_STOP = "tool.execution.stop"
EXECUTION_EXCEPTION = "tool.execution.exception"

EVENT_NAMES = frozenset(
    {
        "python.call.start",
        "python.call.stop",
        "python.call.exception",
        "python.memory.sampled",
        "python.cpu.sampled",
        "python.gc.completed",
        "python.error.occurred",
        EXECUTION_START,
        EXECUTION_STOP,
        EXECUTION_EXCEPTION,
        "tool.result_size",
    }
)
"""Names the Elixir host accepts (its telemetry catalogue of Python events)."""

MEASUREMENT_KEYS = frozenset(
    {
        "duration",
        "duration_ms",
        "bytes",
        "system_time",
        "queue_depth",
        "queue_time",
        "available_workers",
        "busy_workers",
        "total_workers",
        "worker_count",
        "lifetime",
        "total_commands",
        "command_count",
        "downtime",
        "restart_count",
        "retry_count",
        "request_size",
        "response_size",
        "message_size",
        "sequence_number",
        "message_count",
        "network_time",
        "uptime",
        "call_count",
        "affinity_duration",
        "commands_with_affinity",
        "rss_bytes",
        "vms_bytes",
        "cpu_percent",
        "collected",
        "generation",
        "latency_ms",
        "count",
        "python_pid",
    }
)
"""Measurement keys the Elixir host accepts; one other key and it drops the event."""

_PARTS = {name: name.split(".") for name in EVENT_NAMES}
_ONE = messages.TelemetryValue(int_value=1)

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1

_FRACTION_BITS = 32
_MULTIPLIER = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio: consecutive keys, multiplied by it, spread evenly over the
high bits (Knuth, The Art of Computer Programming, volume 3, section 6.4)."""


class TelemetryNameError(ValueError):
    """An event name or measurement key that the host would drop."""


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which events a stream wants. Replaced as a whole, so that readers never see half of one."""

    enabled: bool = True
    threshold: int = 1 << _FRACTION_BITS
    sampled: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def wants(self, name: str, key: int) -> bool:
        """Whether the event ``name`` of the call with this sampling key is wanted."""
        if not self.enabled:
            return False
        if self.deny and _matches(name, self.deny):
            return False
        if self.allow and not _matches(name, self.allow):
            return False
        if self.threshold >> _FRACTION_BITS or (self.sampled and not _matches(name, self.sampled)):
            return True
        mixed = key * _MULTIPLIER & 0xFFFF_FFFF_FFFF_FFFF
        return mixed >> (64 - _FRACTION_BITS) < self.threshold


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class TelemetrySubscription:
    """One reader's stream of events: an iterator that ends when it, or its hub, is closed.

    `offer()` and `close()` may be called from any thread, iteration belongs to one. What a
    thread did before `offer()` happens before the iterator returns that event.

    Args:
        hub: whose events these are.
        capacity: events that may wait; the newest are dropped beyond it. Threads that offer at
            the same moment may exceed it by one each.
    """

    def __init__(self, hub: TelemetryHub, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity} must be at least 1")
        self._hub = hub
        self._capacity = capacity
        self._queue: queue.SimpleQueue[messages.TelemetryEvent | None] = queue.SimpleQueue()
        self._selection = _Selection()
        self._dropped = ShardedCounter()
        self._closed = False

    @property
    def dropped(self) -> int:
        """Events that did not fit into the queue."""
        return self._dropped.value()

    def wants(self, name: str, key: int) -> bool:
        """Whether the event is switched on, not filtered out, and its call sampled."""
        return self._selection.wants(name, key)

    def offer(self, event: messages.TelemetryEvent) -> None:
        """Queue the event, or drop and count it when the queue is full. Never waits."""
        if self._queue.qsize() >= self._capacity:
            self._dropped.add(1)
        elif not self._closed:
            self._queue.put(event)

    def apply(self, control: messages.TelemetryControl) -> None:
        """Follow a control message. Calls to it must not overlap (one stream has one reader).

        An empty pattern list means every event. A sampling rate outside 0 to 1 is taken as the
        nearer bound; one that is not a number changes nothing.
        """
        old = self._selection
        if control.toggle is not None:
            self._selection = _Selection(
                control.toggle.enabled, old.threshold, old.sampled, old.allow, old.deny
            )
        elif control.sampling is not None:
            rate = control.sampling.sampling_rate
            if math.isnan(rate):
                _log.warning("ignoring a telemetry sampling rate that is not a number")
                return
            threshold = round(min(1.0, max(0.0, rate)) * (1 << _FRACTION_BITS))
            patterns = tuple(control.sampling.event_patterns[:MAX_PATTERNS])
            self._selection = _Selection(old.enabled, threshold, patterns, old.allow, old.deny)
        elif control.filter is not None:
            allow = tuple(control.filter.allow[:MAX_PATTERNS])
            deny = tuple(control.filter.deny[:MAX_PATTERNS])
            self._selection = _Selection(old.enabled, old.threshold, old.sampled, allow, deny)

    def __iter__(self) -> Iterator[messages.TelemetryEvent]:
        return self

    def __next__(self) -> messages.TelemetryEvent:
        event = self._queue.get()
        if event is None:
            # Left for a second call of next(), which must end too instead of waiting for ever.
            self._queue.put(None)
            raise StopIteration
        return event

    def close(self) -> None:
        """Take no more events; the iterator ends after those that wait. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._hub.unsubscribe(self)
            self._queue.put(None)


class TelemetryHub:
    """Where events are emitted and handed to whoever subscribes.

    Emitting takes no lock: the subscriptions are an immutable tuple that is replaced when one
    comes or goes. An event emitted after `subscribe()` returned reaches that subscription.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[TelemetrySubscription, ...] = ()
        self._closed = False

    @property
    def active(self) -> bool:
        """Whether anybody listens; what is emitted otherwise is gone."""
        return bool(self._subscriptions)

    def subscribe(self, capacity: int = DEFAULT_CAPACITY) -> TelemetrySubscription:
        """A new stream of the events emitted from now on; already ended if the hub is closed."""
        subscription = TelemetrySubscription(self, capacity)
        with self._lock:
            closed = self._closed
            if not closed:
                self._subscriptions = (*self._subscriptions, subscription)
        if closed:
            subscription.close()
        return subscription

    def unsubscribe(self, subscription: TelemetrySubscription) -> None:
        """Emit nothing more to it. Called by the subscription's own ``close()``."""
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)

    def close(self) -> None:
        """End every subscription, and from now on each new one at once."""
        with self._lock:
            self._closed = True
            subscriptions = self._subscriptions
        for subscription in subscriptions:
            subscription.close()

    def emit(
        self,
        name: str,
        measurements: Mapping[str, int | float | str],
        metadata: Mapping[str, str] | None = None,
        *,
        correlation_id: str = "",
        sampling_key: int = 0,
    ) -> None:
        """Emit one event to every subscription that wants it.

        Args:
            name: one of `EVENT_NAMES`.
            measurements: numbers or text under `MEASUREMENT_KEYS`; integers of up to 64 bits.
            metadata: any keys, but text only.
            correlation_id: what ties the event to the caller's own records.
            sampling_key: the same for all events that are to be sampled together.

        Raises:
            TelemetryNameError: the host would drop the event, whether anybody listens or not.
        """
        if name not in EVENT_NAMES:
            raise TelemetryNameError(f"the host drops events named {name!r}; see EVENT_NAMES")
        unknown = [key for key in measurements if key not in MEASUREMENT_KEYS]
        if unknown:
            raise TelemetryNameError(
                f"the host drops {name!r} because of measurement keys {unknown}; "
                "see MEASUREMENT_KEYS, or put them into metadata"
            )
        wanted = [s for s in self._subscriptions if s.wants(name, sampling_key)]
        if wanted:
            values = {key: _value(value) for key, value in measurements.items()}
            _send(wanted, name, values, dict(metadata or {}), correlation_id)

    def tool_started(self, started: int, tool: str, session_id: str, correlation_id: str) -> None:
        """A tool call begins. ``started``: `time.perf_counter_ns`; it also decides sampling."""
        wanted = [s for s in self._subscriptions if s.wants(EXECUTION_START, started)]
        if wanted:
            now = messages.TelemetryValue(int_value=time.time_ns())
            values = {"system_time": now, "count": _ONE}
            metadata = {"tool": tool, "session_id": session_id}
            _send(wanted, EXECUTION_START, values, metadata, correlation_id)

    def tool_ended(
        self,
        started: int,
        tool: str,
        session_id: str,
        correlation_id: str,
        error: BaseException | None = None,
    ) -> None:
        """The tool call has ended, with ``error`` if it failed; its duration in nanoseconds."""
        name = EXECUTION_STOP if error is None else EXECUTION_EXCEPTION
        wanted = [s for s in self._subscriptions if s.wants(name, started)]
        if wanted:
            took = messages.TelemetryValue(int_value=time.perf_counter_ns() - started)
            values = {"duration": took, "count": _ONE}
            metadata = {"tool": tool, "session_id": session_id}
            if error is not None:
                metadata["error_type"] = type(error).__name__
            _send(wanted, name, values, metadata, correlation_id)


def _send(
    wanted: Sequence[TelemetrySubscription],
    name: str,
    values: dict[str, messages.TelemetryValue],
    metadata: dict[str, str],
    correlation_id: str,
) -> None:
    event = messages.TelemetryEvent(
        event_parts=_PARTS[name],
        measurements=values,
        metadata=metadata,
        timestamp_ns=time.time_ns(),
        correlation_id=correlation_id,
    )
    for subscription in wanted:
        subscription.offer(event)


def _value(value: int | float | str) -> messages.TelemetryValue:
    if isinstance(value, str):
        return messages.TelemetryValue(string_value=value)
    if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
        return messages.TelemetryValue(int_value=int(value))
    return messages.TelemetryValue(float_value=float(value))
