"""What the Elixir host accepts as telemetry, and how our events are put into that form.

The host takes no chances: an event whose name or any measurement key is not in its catalogue is
dropped whole, in silence. So nothing else is sent to it. What a tool emits under a name of its own
stays with the listeners of this process; only spans have a counterpart there, ``python.call.*``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ftbridge.telemetry import Event
from ftbridge.wire import messages

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

OPERATION_KEY = "operation"
"""Metadata key of a span's own name."""

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


def host_form(
    event: Event,
) -> tuple[str, dict[str, messages.TelemetryValue], dict[str, str]] | None:
    """Name, measurements and metadata for the host; None for what has no place in its catalogue.

    A span's events become ``python.call.*`` with its operation as metadata. Measurements under
    other keys than the host's become metadata, unless there is some of the same key.
    """
    metadata = texts(event.metadata)
    if event.operation is not None:
        name = f"python.call.{event.phase}"
        metadata.setdefault(OPERATION_KEY, event.operation)
    elif event.name in EVENT_NAMES:
        name = event.name
    else:
        return None
    measurements = {}
    for key, value in event.measurements.items():
        if key in MEASUREMENT_KEYS:
            measurements[key] = telemetry_value(value)
        else:
            metadata.setdefault(text(key), text(value))
    return name, measurements, metadata


def own_form(event: Event) -> tuple[str, dict[str, messages.TelemetryValue], dict[str, str]]:
    """Name, measurements and metadata as they were emitted."""
    measurements = {text(key): telemetry_value(v) for key, v in event.measurements.items()}
    return text(event.name), measurements, texts(event.metadata)


def telemetry_value(value: object) -> messages.TelemetryValue:
    """A measurement on the wire: 64-bit integers exact, other numbers as doubles, else text."""
    if isinstance(value, int):
        if _INT64_MIN <= value <= _INT64_MAX:
            return messages.TelemetryValue(int_value=int(value))
    elif not isinstance(value, str) and hasattr(value, "__index__"):  # numpy's integers
        return telemetry_value(value.__index__())
    if not isinstance(value, str) and hasattr(value, "__float__"):
        try:
            return messages.TelemetryValue(float_value=float(value))
        except (TypeError, ValueError, OverflowError):
            pass
    return messages.TelemetryValue(string_value=text(value))


def texts(metadata: Mapping[str, object]) -> dict[str, str]:
    """Metadata on the wire."""
    return {text(key): text(value) for key, value in metadata.items()}


def text(value: object) -> str:
    """As text that UTF-8 can carry, whatever it is."""
    try:
        return str(value).encode("utf-8", "replace").decode()
    except Exception:  # noqa: BLE001 - the value's own code may raise anything
        return f"<{type(value).__name__}>"
