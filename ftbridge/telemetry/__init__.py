"""Telemetry from inside tools: ``from ftbridge import telemetry``.

    with telemetry.span("prediction", {"model": "small"}):
        ...
    telemetry.emit("cache.missed", {"count": 1})

Events and spans carry the current request's correlation id by themselves. They go to every
listener of this process (`add_listener`, `set_backend`), to OpenTelemetry when tracing is set up
(`setup_tracing`), and, in the form that the Elixir host accepts, to the host that has opened the
worker's telemetry stream. While nobody listens, emitting costs one look at an empty tuple.

Must never import the wire or the transport: adapters import this, and the bridge listens to it.
"""

from .backends import StderrBackend, TelemetryBackend, get_backend, set_backend
from .correlation import (
    CORRELATION_HEADER,
    correlation_filter,
    get_correlation_id,
    new_correlation_id,
    outgoing_metadata,
    reset_correlation_id,
    set_correlation_id,
)
from .events import Event, Span, add_listener, emit, is_enabled, remove_listener, span
from .tracing import get_tracer, otel_span, setup_tracing

__all__ = [
    "CORRELATION_HEADER",
    "Event",
    "Span",
    "StderrBackend",
    "TelemetryBackend",
    "add_listener",
    "correlation_filter",
    "emit",
    "get_backend",
    "get_correlation_id",
    "get_tracer",
    "is_enabled",
    "new_correlation_id",
    "otel_span",
    "outgoing_metadata",
    "remove_listener",
    "reset_correlation_id",
    "set_backend",
    "set_correlation_id",
    "setup_tracing",
    "span",
]
