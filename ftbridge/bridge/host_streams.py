"""The host's telemetry streams: one queue of events, which the newest open stream takes from.

A host that loses its stream opens another one, sometimes before the old connection is known to
be dead; several launchers of one worker open one each. Whatever there is, each event is for the
host once. So the queue belongs to the worker and not to a stream: a new stream takes over, what
the old one had not delivered goes to it, and between two streams events wait, up to a limit, the
newest being dropped and counted. When the newest stream ends, the one before it has the turn
again. The settings (toggle, sampling, filter) are the worker's too: the last control message on
any stream counts, and a new stream starts with them.

An event that a stream has taken and not asked beyond is taken back when it ends, and may so come
twice when the stream is lost just after it. What the transport has already written into a dead
connection is lost: the protocol has no receipts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from ftbridge.wire import messages
from ftlocks import ShardedCounter

from .selection import Selection

DEFAULT_CAPACITY = 1024
"""Events that may wait for the host; the stock worker's size. About 500 KB when full."""

_RECHECK_SECONDS = 0.25
"""A reader looks again after this time even if nobody woke it. An emitter appends and then reads
`_asleep`, a reader sets it and then looks: on hardware that reorders the two, both could miss."""


class HostStreams:
    """The queue for the host, and the streams that are open on it. Safe to use from any thread.

    Emitting takes no lock but the queue's own, for one append; only when a reader sleeps is it
    woken under one. What a thread did before `offer()` happens before a stream returns that event.

    Args:
        capacity: events that may wait; threads that offer at the same moment may exceed it by
            one each.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity} must be at least 1")
        self._capacity = capacity
        self._events: deque[messages.TelemetryEvent] = deque()
        self._selection = Selection()
        self._dropped = ShardedCounter()
        self._changed = threading.Condition(threading.Lock())  # guards all below, and taking
        self._streams: list[HostStream] = []  # the last one has the turn
        self._asleep = False
        self._closed = False

    custom = False
    """Events outside the host's catalogue are not for it."""

    @property
    def dropped(self) -> int:
        """Events that found the queue full."""
        return self._dropped.value()

    @property
    def waiting(self) -> int:
        """Events that no stream has taken."""
        return len(self._events)

    @property
    def open_streams(self) -> int:
        """Streams that are open now."""
        return len(self._streams)

    def wants(self, name: str, key: int) -> bool:
        """Whether to make this event at all: wanted, and there is room; counted if there is not."""
        if not self._selection.wants(name, key):
            return False
        if len(self._events) >= self._capacity:
            self._dropped.add(1)
            return False
        return True

    def offer(self, event: messages.TelemetryEvent) -> None:
        """Queue an event that was wanted. Never waits for a reader."""
        self._events.append(event)
        if self._asleep:
            with self._changed:
                self._changed.notify_all()

    def open(self) -> HostStream:
        """A new stream, which has the turn from now on; already ended when this is closed."""
        stream = HostStream(self)
        with self._changed:
            if self._closed:
                stream.closed = True
                return stream
            self._streams.append(stream)
            self._changed.notify_all()
        return stream

    def close(self) -> None:
        """End all streams: the one that has the turn after what waits, the others at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # --- used by the streams --------------------------------------------------------------------

    def next_for(self, stream: HostStream) -> messages.TelemetryEvent | None:
        """The next event for this stream, waiting for it and for the turn; None at its end."""
        with self._changed:
            stream.taken = None
            while not stream.closed:
                has_turn = self._streams[-1] is stream
                if has_turn and self._events:
                    self._asleep = False
                    stream.taken = self._events.popleft()
                    return stream.taken
                if self._closed:
                    break
                if has_turn and not self._asleep:
                    self._asleep = True
                    continue  # to look once more, now that emitters know
                self._changed.wait(_RECHECK_SECONDS)
            self.forget(stream)
            return None

    def forget(self, stream: HostStream) -> None:
        """The stream has ended; the lock is held."""
        stream.closed = True
        if stream in self._streams:
            stream.take_back()
            self._streams.remove(stream)
        self._changed.notify_all()

    def end(self, stream: HostStream) -> None:
        """The stream's caller has gone."""
        with self._changed:
            self.forget(stream)

    def put_back(self, event: messages.TelemetryEvent) -> None:
        """Make an event that was not delivered the next one again; the lock is held."""
        self._events.appendleft(event)

    def apply(self, control: messages.TelemetryControl) -> None:
        """Follow a control message, whichever stream it came on."""
        with self._changed:
            self._selection = self._selection.after(control)


class HostStream:
    """One stream's events: an iterator that ends when it, or the worker's telemetry, is closed.

    `close()` and `apply()` may be called from any thread, iteration belongs to one.
    """

    def __init__(self, streams: HostStreams) -> None:
        self._owner = streams
        self.closed = False
        self.taken: messages.TelemetryEvent | None = None

    def __iter__(self) -> Iterator[messages.TelemetryEvent]:
        return self

    def __next__(self) -> messages.TelemetryEvent:
        event = self._owner.next_for(self)
        if event is None:
            raise StopIteration
        return event

    def apply(self, control: messages.TelemetryControl) -> None:
        """Follow a control message."""
        self._owner.apply(control)

    def close(self) -> None:
        """End it now; what it has not delivered is the next stream's. Safe to call twice."""
        self._owner.end(self)

    def take_back(self) -> None:
        """Return the event that is out for delivery to the queue; the owner's lock is held."""
        event, self.taken = self.taken, None
        if event is not None:
            self._owner.put_back(event)
