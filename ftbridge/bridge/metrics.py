"""A server's figures, collected from its parts when somebody scrapes.

Reads what the parts count anyway; holds nothing, and never imports what renders the figures until
it is asked for them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from ftbridge.metrics.calls import BUCKETS_SECONDS, CallFigures, CallMeter

if TYPE_CHECKING:
    from prometheus_client import Metric

    from .server import BridgeServer


class ServerCollector:
    """Figures of one server; give it to `ftbridge.metrics.register`.

    Args:
        server: whose figures.
        meter: the one that the server's calls are counted by.
    """

    def __init__(self, server: BridgeServer, meter: CallMeter) -> None:
        self._server = server
        self._meter = meter

    def collect(self) -> Iterable[Metric]:
        """Each figure is exact, though they are read one after the other."""
        yield from _of_calls(self._meter.figures())
        yield from self._of_executor()
        yield from self._of_transport()
        yield from self._of_process()

    def _of_executor(self) -> Iterator[Metric]:
        service = self._server.service
        counted = service.statistics()
        telemetry = service.telemetry
        yield _counter("ftbridge_streams", "Streaming calls begun.", counted.streams)
        yield _counter("ftbridge_chunks", "Chunks sent by streaming calls.", counted.chunks)
        yield _gauge("ftbridge_sessions", "Sessions that are open.", len(service.sessions))
        yield _counter(
            "ftbridge_telemetry_dropped",
            "Events for the host that found its queue full.",
            telemetry.host.dropped,
        )
        yield _counter(
            "ftbridge_telemetry_withheld",
            "Events of tools under names that the host does not know.",
            telemetry.withheld,
        )

    def _of_transport(self) -> Iterator[Metric]:
        # What a transport has: the stock one tells nothing.
        transport = self._server.transport
        connections = getattr(transport, "connections", None)
        if connections is not None:
            yield _gauge("ftbridge_connections", "Client connections.", len(connections))
        pool = getattr(transport, "pool", None)
        if pool is not None:
            yield _gauge(
                "ftbridge_queue_depth", "Calls that wait for a handler thread.", pool.waiting
            )
            yield _gauge("ftbridge_handlers_busy", "Handler threads that run a call.", pool.busy)
            yield _gauge("ftbridge_handlers", "Handler threads.", len(pool.threads))
        streams = getattr(transport, "streams", None)
        if streams is not None:
            yield _gauge(
                "ftbridge_long_lived_calls", "Telemetry, watch and reflection calls.", streams.busy
            )
        if pool is not None and streams is not None:
            yield _counter(
                "ftbridge_rejected_calls",
                "Calls answered RESOURCE_EXHAUSTED, because nothing was free to run them.",
                pool.refused + streams.refused,
            )

    def _of_process(self) -> Iterator[Metric]:
        yield _gauge(
            "ftbridge_gil_enabled",
            "1 when the interpreter runs with the GIL, which no ftbridge server should.",
            int(sys._is_gil_enabled()),
        )
        yield _gauge("ftbridge_threads", "Python threads.", threading.active_count())


def _of_calls(figures: dict[str, CallFigures]) -> Iterator[Metric]:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    calls = CounterMetricFamily(
        "ftbridge_calls", "Calls that have ended.", labels=("tool", "outcome")
    )
    in_flight = GaugeMetricFamily("ftbridge_calls_in_flight", "Calls that run.", labels=("tool",))
    durations = HistogramMetricFamily(
        "ftbridge_call_duration_seconds",
        "From when a thread took the call until its result.",
        labels=("tool",),
    )
    bounds = [*(str(bound) for bound in BUCKETS_SECONDS), "+Inf"]
    for tool, figure in figures.items():
        for outcome, count in sorted(figure.outcomes.items()):
            calls.add_metric((tool, outcome), count)
        in_flight.add_metric((tool,), figure.in_flight)
        cumulated = list(zip(bounds, accumulate(figure.buckets), strict=True))
        durations.add_metric((tool,), cumulated, figure.seconds)
    yield from (calls, in_flight, durations)


def _counter(name: str, text: str, value: float) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(name, text, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, text, value)
