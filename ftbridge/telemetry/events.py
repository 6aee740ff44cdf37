"""Events and spans, and the listeners that hear of them.

Telemetry must never fail or hold up a tool. So emitting takes no lock, validates nothing and
raises nothing: a listener that fails is logged once and kept. The listeners are an immutable tuple
that is replaced as a whole; while it is empty (an immortal object, whose reference count no core
writes to) `emit` and `span` do nothing else than look at it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Literal, Protocol, Self

from ftbridge.adapters.context import CURRENT

from .correlation import get_correlation_id, reset_correlation_id, set_correlation_id

_log = logging.getLogger("ftbridge.telemetry")

Phase = Literal["start", "stop", "exception"]
Number = int | float | str


class Event:
    """Something that happened, as listeners get it.

    The mappings are the emitter's own: not to be changed, and to be copied by whoever keeps them.

    Attributes:
        name: as emitted; of a span ``<operation>.start``, ``.stop`` or ``.exception``.
        measurements: by key; durations in nanoseconds.
        metadata: by key, of whatever type was given.
        timestamp_ns: since the epoch.
        correlation_id: of the request that it belongs to, or an empty string.
        operation, phase: of a span; both None for an event of its own.
        sampling_key: the same for all events of one call, so that they are sampled together.
    """

    __slots__ = (
        "correlation_id",
        "measurements",
        "metadata",
        "name",
        "operation",
        "phase",
        "sampling_key",
        "timestamp_ns",
    )

    def __init__(
        self,
        name: str,
        measurements: Mapping[str, Number],
        metadata: Mapping[str, object],
        *,
        correlation_id: str = "",
        timestamp_ns: int = 0,
        sampling_key: int = 0,
        operation: str | None = None,
        phase: Phase | None = None,
    ) -> None:
        self.name = name
        self.measurements = measurements
        self.metadata = metadata
        self.correlation_id = correlation_id
        self.timestamp_ns = timestamp_ns or time.time_ns()
        self.sampling_key = sampling_key
        self.operation = operation
        self.phase = phase

    def __repr__(self) -> str:
        return f"<Event {self.name} {dict(self.measurements)} {dict(self.metadata)}>"


Listener = Callable[[Event], object]


class _Heard:
    """A listener, and whether its first failure has been reported."""

    __slots__ = ("failed", "listener")

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.failed = False

    def tell(self, event: Event) -> None:
        try:
            self.listener(event)
        except Exception:  # noqa: BLE001 - a listener's own code may raise anything
            if not self.failed:
                self.failed = True
                _log.exception(
                    "the telemetry listener %r failed at %r; its further failures are not reported",
                    self.listener,
                    event.name,
                )


class Tracer(Protocol):
    """What opens and closes a trace's spans beside ours: OpenTelemetry, when it is set up."""

    def begin(self, operation: str, metadata: Mapping[str, object]) -> object:
        """Open a span under the current one, and make it the current one."""

    def end(
        self, span: object, metadata: Mapping[str, object], error: BaseException | None
    ) -> None:
        """Close it."""


_lock = threading.Lock()
_listeners: tuple[_Heard, ...] = ()
_tracer: Tracer | None = None


def add_listener(listener: Listener) -> None:
    """Have `listener(event)` called for each event of this process, on the emitting thread.

    It should neither block nor raise. Added twice, it is called twice. What happened before this
    call happens before the listener's first event.
    """
    global _listeners
    with _lock:
        _listeners = (*_listeners, _Heard(listener))


def remove_listener(listener: Listener) -> None:
    """Stop calling it; nothing if it is not there. Calls that have begun may still end."""
    global _listeners
    with _lock:
        for heard in _listeners:
            if heard.listener == listener:
                _listeners = tuple(other for other in _listeners if other is not heard)
                return


def set_tracer(tracer: Tracer | None) -> None:
    """Open a span of this tracer for each of ours; None: no more. See `tracing`."""
    global _tracer
    _tracer = tracer


def is_enabled() -> bool:
    """Whether anybody listens; worth asking before measurements that are dear to make."""
    return bool(_listeners)


def emit(
    event: str,
    measurements: Mapping[str, Number] | None = None,
    metadata: Mapping[str, object] | None = None,
    correlation_id: str | None = None,
) -> None:
    """Tell all listeners of an event. Never waits and never raises.

    Args:
        event: its name, dotted by custom. The Elixir host is only sent names of its catalogue
            (`ftbridge.bridge.catalogue`); every other listener gets all.
        measurements: numbers, or text, by key. Keys that the host does not know are sent to it as
            metadata.
        metadata: anything by key; sent as text.
        correlation_id: another one than the current request's.
    """
    listeners = _listeners
    if not listeners:
        return
    _tell(
        listeners,
        Event(
            event,
            {} if measurements is None else measurements,
            {} if metadata is None else metadata,
            correlation_id=correlation_id or get_correlation_id() or "",
            sampling_key=_sampling_key(),
        ),
    )


def _tell(listeners: tuple[_Heard, ...], event: Event) -> None:
    for heard in listeners:
        heard.tell(event)


def _sampling_key() -> int:
    """The current call's; without a call, the moment."""
    return getattr(CURRENT.get(), "sampling_key", 0) or time.perf_counter_ns()


class Span:
    """A piece of work with a beginning and an end; a context manager made by `span`.

    ``metadata`` may be added to while it lasts: the end carries it, and the trace. For one use by
    one thread (or task); spans nest.
    """

    __slots__ = (
        "_correlation_id",
        "_key",
        "_listeners",
        "_started",
        "_token",
        "_traced",
        "_tracer",
        "metadata",
        "operation",
    )

    def __init__(
        self, operation: str, metadata: Mapping[str, object] | None, correlation_id: str | None
    ) -> None:
        self.operation = operation
        self.metadata: dict[str, object] = {} if metadata is None else dict(metadata)
        self._correlation_id = correlation_id
        self._token: Token[str | None] | None = None
        self._tracer: Tracer | None = None

    def __enter__(self) -> Self:
        if self._correlation_id is not None:
            self._token = set_correlation_id(self._correlation_id)
        tracer = _tracer
        if tracer is not None:
            self._begin_trace(tracer)
        # Whoever hears the beginning hears the end, and nobody else does.
        listeners = self._listeners = _listeners
        if listeners:
            self._key = _sampling_key()
            self._tell("start", {"system_time": time.time_ns()}, self.metadata)
            self._started = time.perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._listeners:
            measured = {"duration": time.perf_counter_ns() - self._started}
            # A generator that its reader closes has not failed.
            if error is None or isinstance(error, GeneratorExit):
                self._tell("stop", measured, self.metadata)
            else:
                failure = {"error_type": type(error).__name__, "error_message": _text(error)}
                self._tell("exception", measured, {**self.metadata, **failure})
        if self._tracer is not None:
            self._end_trace(self._tracer, None if isinstance(error, GeneratorExit) else error)
        if self._token is not None:
            reset_correlation_id(self._token)

    def _begin_trace(self, tracer: Tracer) -> None:
        try:
            self._traced = tracer.begin(self.operation, self.metadata)
            self._tracer = tracer
        except Exception:  # noqa: BLE001 - third-party code must not fail a tool
            _log.exception("no trace of %r", self.operation)

    def _end_trace(self, tracer: Tracer, error: BaseException | None) -> None:
        try:
            tracer.end(self._traced, self.metadata, error)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("the trace of %r could not be ended", self.operation)

    def _tell(
        self, phase: Phase, measurements: Mapping[str, Number], metadata: Mapping[str, object]
    ) -> None:
        event = Event(
            f"{self.operation}.{phase}",
            measurements,
            dict(metadata),
            correlation_id=get_correlation_id() or "",
            sampling_key=self._key,
            operation=self.operation,
            phase=phase,
        )
        _tell(self._listeners, event)


def span(
    operation: str, metadata: Mapping[str, object] | None = None, correlation_id: str | None = None
) -> Span:
    """Measure the block: ``with telemetry.span("prediction", {"rows": 3}): ...``.

    Emits ``<operation>.start`` with ``system_time``, then ``.stop`` with ``duration`` in
    nanoseconds, or ``.exception`` with also ``error_type`` and ``error_message`` as metadata; the
    exception goes on. The Elixir host gets them as ``python.call.start`` and so on, with the
    operation as metadata. With tracing set up, it is also a span under the tool call's.

    Args:
        operation: what is done.
        metadata: anything by key.
        correlation_id: another one than the current request's, for all that the block emits.
    """
    return Span(operation, metadata, correlation_id)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the exception's own code may raise anything
        return ""
