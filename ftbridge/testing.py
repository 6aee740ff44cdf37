"""Calling an adapter in tests as its clients will: through a real server on a free port.

    with ftbridge.testing.serve(MyAdapter) as served:
        assert served.call("add", a=1, b=2) == 3

Nothing is faked between the test and the tool: arguments are encoded, checked and decoded, the
lifecycle runs, results travel. The server ends with the block.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from ftbridge.adapters.base import BaseAdapter
from ftbridge.adapters.host import AdapterHost
from ftbridge.bridge.server import BridgeServer
from ftbridge.client import Client, Session, ToolError
from ftbridge.rpc import ServerOptions

__all__ = ["CALL_SECONDS", "Served", "ToolError", "serve"]

CALL_SECONDS: Final = 30.0
"""Longest wait for an answer: only used up when something hangs."""

GRACE_SECONDS: Final = 2.0
"""At the end, time for calls that still run."""

_NO_CONFIG: Final[Mapping[str, object]] = {}


class Served:
    """A served adapter, and a session on it. Any number of threads may call at once.

    Attributes:
        address: ``HOST:PORT``, for clients of one's own.
        client: one that is connected; for sessions, metadata, deadlines.
        server: what serves; for its statistics.
    """

    def __init__(self, server: BridgeServer, client: Client, session: Session) -> None:
        self.server = server
        self.client = client
        self.address = client.address
        self._session = session

    @property
    def tools(self) -> list[str]:
        """Names of the tools, in alphabetical order."""
        return sorted(self.server.host.tools)

    def call(self, tool: str, /, **arguments: object) -> object:
        """What the tool returns, decoded.

        Raises:
            ToolError: it raised, or refused its arguments; ``type`` is the exception's class name.
        """
        value: object = self._session.call(tool, arguments)
        return value

    def stream(self, tool: str, /, **arguments: object) -> Generator[object]:
        """What a streaming tool yields, decoded, as it comes; closing the iterator cancels it.

        Raises:
            ToolError: as `call`, by the step that meets it.
        """
        return self._session.stream(tool, arguments)


@contextmanager
def serve(
    adapter_class: type[BaseAdapter],
    *,
    config: Mapping[str, object] = _NO_CONFIG,
    serialize: bool = False,
    threads: int | None = None,
) -> Iterator[Served]:
    """Serve the adapter on a free port of this machine while the block lasts.

    Args:
        adapter_class: as `ftbridge serve --adapter` names it.
        config: its ``self.config``.
        serialize: one call at a time, for adapters that are not thread-safe.
        threads: that run tools; the command's default if None.

    Raises:
        ThreadSafetyError, InvalidToolError: the class cannot be served.
        Exception: whatever the adapter's own set-up raises.
    """
    host = AdapterHost(adapter_class, serialize=serialize, config=config)
    options = ServerOptions() if threads is None else ServerOptions(threads=threads)
    server = BridgeServer(host, options=options)
    port = server.start()
    try:
        with (
            Client(f"127.0.0.1:{port}", timeout=CALL_SECONDS) as client,
            client.session() as session,
        ):
            yield Served(server, client, session)
    finally:
        server.stop(GRACE_SECONDS)
