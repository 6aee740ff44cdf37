"""Calling tools from Python: `Client` for threads, `AsyncClient` for coroutines.

Both are thin: `exchange` turns arguments into messages and answers into values, `ftbridge.rpc`
carries them. Never imports bridge, adapters or the command line, so that a program which only
calls tools loads none of what serves them; asyncio only with `AsyncClient`.
"""

from typing import TYPE_CHECKING

from ftbridge.client.errors import (
    CallCancelledError,
    CallError,
    ClientError,
    DeadlineExceededError,
    ForeignServerError,
    ToolError,
    UnavailableError,
)
from ftbridge.client.retry import NO_RETRIES, RetryPolicy
from ftbridge.client.sync import Client, Session
from ftbridge.client.tools import Chunk, RemoteParameter, RemoteTool

if TYPE_CHECKING:
    from ftbridge.client.aio import AsyncClient, AsyncSession

__all__ = [
    "NO_RETRIES",
    "AsyncClient",
    "AsyncSession",
    "CallCancelledError",
    "CallError",
    "Chunk",
    "Client",
    "ClientError",
    "DeadlineExceededError",
    "ForeignServerError",
    "RemoteParameter",
    "RemoteTool",
    "RetryPolicy",
    "Session",
    "ToolError",
    "UnavailableError",
]


def __getattr__(name: str) -> object:
    if name in ("AsyncClient", "AsyncSession"):
        from ftbridge.client import aio

        return getattr(aio, name)
    raise AttributeError(f"module 'ftbridge.client' has no attribute {name!r}")
