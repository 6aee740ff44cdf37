"""The bridge: the service that hosts call, over one adapter.

`BridgeServer` is a whole server; `BridgeService` the service alone, as a table of methods. The
embedded host's parts (`SessionStore`, `HostTools`, `ToolRegistry`, `TelemetryHub`) are made by
them and can be given to them.

Imports adapters, wire and rpc; none of those imports this package.
"""

from .health import HealthService
from .host_tools import HostTools
from .reflection import ReflectionService
from .registry import ToolRegistry
from .server import BridgeServer
from .service import BridgeService
from .sessions import Session, SessionStore
from .telemetry import TelemetryHub

__all__ = [
    "BridgeServer",
    "BridgeService",
    "HealthService",
    "HostTools",
    "ReflectionService",
    "Session",
    "SessionStore",
    "TelemetryHub",
    "ToolRegistry",
]
