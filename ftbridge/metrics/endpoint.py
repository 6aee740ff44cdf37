"""The HTTP endpoint that Prometheus scrapes: text format 0.0.4, or OpenMetrics where asked for.

Its threads are `prometheus_client`'s; a scrape costs what collecting costs, and calls nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, start_http_server

from .registry import collectors

_log = logging.getLogger("ftbridge.metrics")

DEFAULT_HOST: Final = "127.0.0.1"
"""Figures tell about callers and load: only this machine gets them unless told otherwise."""


class _Registered:
    """Everything registered, asked anew at each scrape."""

    def __init__(self) -> None:
        self._failed: set[int] = set()

    def collect(self) -> Iterable[Metric]:
        for collector in collectors():
            try:
                yield from list(collector.collect())
            except Exception:  # noqa: BLE001 - one collector must not take the others' figures away
                if id(collector) not in self._failed:
                    self._failed.add(id(collector))
                    _log.exception("%r gives no figures; not reported again", collector)


class MetricsEndpoint:
    """An open endpoint, serving until `close`.

    Args:
        host: address to bind. port: 0 takes a free one.

    Raises:
        OSError: it cannot be bound.
    """

    def __init__(self, port: int, host: str = DEFAULT_HOST) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Registered())
        ProcessCollector(registry=registry)  # memory, CPU time, open files, start time
        self._server, self._thread = start_http_server(port, host, registry)
        self._closed = threading.Lock()
        self.address = f"{host}:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving. Safe to call twice."""
        if self._closed.acquire(blocking=False):
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
