"""Telemetry of tool calls, and what tools emit themselves, on its way to whoever listens.

The Elixir host opens ``StreamTelemetry`` once per worker and re-emits what arrives under its own
event names; its streams are `HostStreams`, its names and keys are in `catalogue`. Only those leave
for the host, and a wrong one of our own is an error where it is emitted, not silence at the other
end. Subscriptions of this process, and streams that ask for it, may have everything.

Emitting never waits: each queue is bounded, and when its reader is slow the newest events are
dropped and counted. Without a stream, emitting costs one attribute read.

Sampling decides by the call, not by the event, so that no start arrives without its end.

Never imports the transport; a stream is an iterator that any transport can drain.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ftbridge.telemetry import Event, add_listener, remove_listener
from ftbridge.wire import messages
from ftlocks import ShardedCounter

from .catalogue import (
    EVENT_NAMES,
    EXECUTION_EXCEPTION,
    EXECUTION_START,
    EXECUTION_STOP,
    MEASUREMENT_KEYS,
    host_form,
    own_form,
    telemetry_value,
)
from .host_streams import DEFAULT_CAPACITY, HostStream, HostStreams
from .selection import Selection

_PARTS = {name: name.split(".") for name in EVENT_NAMES}
_ONE = messages.TelemetryValue(int_value=1)


class TelemetryNameError(ValueError):
    """An event name or measurement key that the host would drop."""


class Target(Protocol):
    """Where events go. `wants` is asked first, so that nothing is built for nobody."""

    @property
    def custom(self) -> bool:
        """Whether events outside the host's catalogue are for it."""

    def wants(self, name: str, key: int) -> bool:
        """Whether the event is switched on, not filtered out, its call sampled, and has room."""

    def offer(self, event: messages.TelemetryEvent) -> None:
        """Take it. Never waits."""

    def close(self) -> None:
        """No more come."""


class TelemetrySubscription:
    """One reader's stream of events: an iterator that ends when it, or its hub, is closed.

    `offer()` and `close()` may be called from any thread, iteration belongs to one. What a
    thread did before `offer()` happens before the iterator returns that event.

    Args:
        hub: whose events these are.
        capacity: events that may wait; the newest are dropped beyond it. Threads that offer at
            the same moment may exceed it by one each.
        custom: also events and measurements outside the host's catalogue, and spans under their
            own names instead of as ``python.call.*``.
    """

    def __init__(
        self, hub: TelemetryHub, capacity: int = DEFAULT_CAPACITY, *, custom: bool = False
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity} must be at least 1")
        self.custom = custom
        self._hub = hub
        self._capacity = capacity
        self._queue: queue.SimpleQueue[messages.TelemetryEvent | None] = queue.SimpleQueue()
        self._selection = Selection()
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
        """Follow a control message. Calls to it must not overlap (one stream has one reader)."""
        self._selection = self._selection.after(control)

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
        self._subscriptions: tuple[Target, ...] = ()
        self._closed = False
        self._attached = False
        self._listening = False
        self._withheld = ShardedCounter()
        self.host = HostStreams()

    @property
    def active(self) -> bool:
        """Whether anybody listens; what is emitted otherwise is gone."""
        return bool(self._subscriptions)

    @property
    def withheld(self) -> int:
        """Events of tools that were not sent to the host, which does not know their names."""
        return self._withheld.value()

    def subscribe(
        self, capacity: int = DEFAULT_CAPACITY, *, custom: bool = False
    ) -> TelemetrySubscription:
        """A new stream of the events emitted from now on; already ended if the hub is closed.

        Every subscription gets every event that it wants, whoever else listens. See
        `TelemetrySubscription` for ``custom``.
        """
        subscription = TelemetrySubscription(self, capacity, custom=custom)
        with self._lock:
            closed = self._closed
            if not closed:
                self._subscriptions = (*self._subscriptions, subscription)
                self._listen()
        if closed:
            subscription.close()
        return subscription

    def unsubscribe(self, subscription: TelemetrySubscription) -> None:
        """Emit nothing more to it. Called by the subscription's own ``close()``."""
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
            self._listen()

    def open_host_stream(self) -> HostStream:
        """A new stream for the host, which takes over from the one before; see `HostStreams`.

        From the first one on, events wait for the host also while it has no stream.
        """
        with self._lock:
            if not self._closed and self.host not in self._subscriptions:
                self._subscriptions = (*self._subscriptions, self.host)
                self._listen()
        return self.host.open()

    def attach(self) -> None:
        """From now on hear what this process emits through `ftbridge.telemetry`, until `close`.

        Several hubs of one process all hear everything: telemetry belongs to the process.
        """
        with self._lock:
            self._attached = not self._closed
            self._listen()

    def _listen(self) -> None:
        """Listen while there is a target, and not longer: emitting into nothing must cost nothing.

        The lock is held.
        """
        wanted = self._attached and bool(self._subscriptions)
        if wanted and not self._listening:
            add_listener(self.hear)
        elif not wanted and self._listening:
            remove_listener(self.hear)
        self._listening = wanted

    def close(self) -> None:
        """End every subscription, and from now on each new one at once."""
        with self._lock:
            self._closed = True
            self._attached = False
            subscriptions = self._subscriptions
            self._subscriptions = tuple(s for s in subscriptions if s is not self.host)
            self._listen()
        self.host.close()
        for subscription in subscriptions:
            subscription.close()

    def hear(self, event: Event) -> None:
        """Hand on what a tool emitted: as it is, or as the host wants it, or to nobody."""
        key = event.sampling_key
        form = host_form(event)
        plain = own = None
        for target in self._subscriptions:
            if target.custom:
                if target.wants(event.name, key):
                    own = own or _event(*own_form(event), event)
                    target.offer(own)
            elif form is None:
                self._withheld.add(1)
            elif target.wants(form[0], key):
                plain = plain or _event(*form, event)
                target.offer(plain)

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
            values = {key: telemetry_value(value) for key, value in measurements.items()}
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
    wanted: Sequence[Target],
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
    for target in wanted:
        target.offer(event)


def _event(
    name: str,
    measurements: dict[str, messages.TelemetryValue],
    metadata: dict[str, str],
    event: Event,
) -> messages.TelemetryEvent:
    return messages.TelemetryEvent(
        event_parts=name.split("."),
        measurements=measurements,
        metadata=metadata,
        timestamp_ns=event.timestamp_ns,
        correlation_id=event.correlation_id,
    )
