"""Figures of a serving process for Prometheus: `ftbridge serve --metrics [HOST:]PORT`.

Whoever has figures registers a collector; collectors are asked when somebody scrapes, and at no
other time. So nothing here is on the way of a call but `CallMeter`, whose counts are per thread.
Formats, negotiation and HTTP are `prometheus_client`'s, which is imported when an endpoint opens.

Must never import the bridge or the transport: their collector is `ftbridge.bridge.metrics`.
"""

from .calls import CallFigures, CallMeter
from .registry import Collector, collectors, register, unregister

__all__ = ["CallFigures", "CallMeter", "Collector", "collectors", "register", "unregister"]
