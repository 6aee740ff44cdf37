"""The names an adapter author imports, resolved on first use.

`import ftbridge` must cost milliseconds: the command line and every launcher pay it before they
know what they will do. So this module imports nothing of the package until a name is asked for,
and must never import anything heavier than `importlib`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftbridge.adapters.base import BaseAdapter
    from ftbridge.adapters.chunks import StreamChunk
    from ftbridge.adapters.context import SessionContext, current_session
    from ftbridge.adapters.decorators import thread_safe_method, tool
    from ftbridge.adapters.errors import AdapterError
    from ftbridge.adapters.host import AdapterHost
    from ftbridge.adapters.host_access import HostToolError
    from ftbridge.adapters.loader import load_adapter
    from ftbridge.adapters.threaded import ThreadSafeAdapter
    from ftbridge.bridge.host_tools import HostTools, host_tool
    from ftbridge.client import AsyncClient, Client

__version__ = "0.1.0"

__all__ = [
    "AdapterError",
    "AdapterHost",
    "AsyncClient",
    "BaseAdapter",
    "Client",
    "HostToolError",
    "HostTools",
    "SessionContext",
    "StreamChunk",
    "ThreadSafeAdapter",
    "__version__",
    "current_session",
    "host_tool",
    "load_adapter",
    "thread_safe_method",
    "tool",
]

# Public name -> module that defines it.
_HOMES = {
    "AdapterError": "ftbridge.adapters.errors",
    "AdapterHost": "ftbridge.adapters.host",
    "AsyncClient": "ftbridge.client",
    "BaseAdapter": "ftbridge.adapters.base",
    "Client": "ftbridge.client",
    "HostToolError": "ftbridge.adapters.host_access",
    "HostTools": "ftbridge.bridge.host_tools",
    "SessionContext": "ftbridge.adapters.context",
    "StreamChunk": "ftbridge.adapters.chunks",
    "ThreadSafeAdapter": "ftbridge.adapters.threaded",
    "current_session": "ftbridge.adapters.context",
    "host_tool": "ftbridge.bridge.host_tools",
    "load_adapter": "ftbridge.adapters.loader",
    "thread_safe_method": "ftbridge.adapters.decorators",
    "tool": "ftbridge.adapters.decorators",
}


def __getattr__(name: str) -> object:
    """Import the module behind a public name the first time that name is used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ftbridge' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
