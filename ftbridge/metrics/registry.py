"""The registration point: objects that know figures, for whoever renders them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prometheus_client import Metric


class Collector(Protocol):
    """What has figures: also any collector written for `prometheus_client`."""

    def collect(self) -> Iterable[Metric]:
        """The figures now, as `prometheus_client.core` metric families.

        Called on the endpoint's thread at each scrape, several at once if several scrape.
        """


_lock = threading.Lock()
_collectors: tuple[Collector, ...] = ()


def register(collector: Collector) -> None:
    """Have this collector's figures in every scrape from now on, on every endpoint of the process.

    Names must differ from those of the others. One that raises is left out of that scrape.
    """
    global _collectors
    with _lock:
        if collector not in _collectors:
            _collectors = (*_collectors, collector)


def unregister(collector: Collector) -> None:
    """Take it out again; nothing if it is not there."""
    global _collectors
    with _lock:
        _collectors = tuple(other for other in _collectors if other is not collector)


def collectors() -> tuple[Collector, ...]:
    """Those that are registered now."""
    return _collectors
