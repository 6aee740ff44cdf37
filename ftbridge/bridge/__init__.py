"""The bridge: the service that hosts call, over one adapter.

`BridgeServer` is a whole server; `BridgeService` the service alone, as a table of methods. The
embedded host's parts (`SessionStore`, `HostTools`, `ToolRegistry`, `TelemetryHub`) are made by
them and can be given to them; `RemoteHostLink` puts a host elsewhere in their place.

Imports adapters, wire and rpc; none of those imports this package.
"""

from .health import HealthService
from .host_link import EmbeddedHostLink, HostLink
from .host_link_remote import RemoteHostLink
from .host_tools import HostTools, host_tool
from .host_tools_loader import load_host_tools
from .reflection import ReflectionService
from .registry import ToolRegistry
from .server import BridgeServer
from .service import BridgeService
from .sessions import Session, SessionStore
from .telemetry import TelemetryHub

__all__ = [
    "BridgeServer",
    "BridgeService",
    "EmbeddedHostLink",
    "HealthService",
    "HostLink",
    "HostTools",
    "ReflectionService",
    "RemoteHostLink",
    "Session",
    "SessionStore",
    "TelemetryHub",
    "ToolRegistry",
    "host_tool",
    "load_host_tools",
]
