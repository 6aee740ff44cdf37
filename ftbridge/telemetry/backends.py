"""A destination of one's own for telemetry: subclass `TelemetryBackend`, give it to `set_backend`.

The bridge's streams to the host do not pass here; a backend is one more listener.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from typing import TextIO

from .events import Event, add_listener, remove_listener


class TelemetryBackend:
    """What receives every event of this process. Called from many threads at once."""

    def emit(
        self,
        event: str,
        measurements: Mapping[str, object],
        metadata: Mapping[str, object] | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Take one event. Should not block; what it raises is logged once."""
        raise NotImplementedError(f"{type(self).__name__} must define emit()")

    def close(self) -> None:
        """No more events come."""


class StderrBackend(TelemetryBackend):
    """Lines of ``TELEMETRY:`` and a JSON object, for a log collector.

    Args:
        stream: where to; the standard error stream of the moment if None. Each event is one
            ``write`` of a whole line, so that lines of several threads do not mix.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def emit(
        self,
        event: str,
        measurements: Mapping[str, object],
        metadata: Mapping[str, object] | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Write one line; values that JSON does not know are written as text."""
        content = {
            "event": event,
            "measurements": dict(measurements),
            "metadata": dict(metadata or {}),
            "correlation_id": correlation_id,
        }
        stream = sys.stderr if self._stream is None else self._stream
        stream.write(f"TELEMETRY:{json.dumps(content, default=str)}\n")
        stream.flush()


_lock = threading.Lock()
_backend: TelemetryBackend | None = None


def set_backend(backend: TelemetryBackend | None) -> None:
    """Send this process's events to `backend` instead of the former one, which is closed."""
    global _backend
    with _lock:
        former, _backend = _backend, backend
        if backend is not None and former is None:
            add_listener(_tell)
        elif backend is None and former is not None:
            remove_listener(_tell)
    if former is not None and former is not backend:
        former.close()


def get_backend() -> TelemetryBackend | None:
    """The backend that was set, if any."""
    return _backend


def _tell(event: Event) -> None:
    backend = _backend
    if backend is not None:
        backend.emit(event.name, event.measurements, event.metadata, event.correlation_id or None)
