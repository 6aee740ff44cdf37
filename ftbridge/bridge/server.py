"""A served adapter: host, services, guard and transport put together, started and stopped in order.

Everything a server process has to do is here, so that the command line only parses options and
waits for signals, and tests start the very thing that is served.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from ftbridge.adapters.host import AdapterHost
from ftbridge.guard import GilGuard, GilTrip
from ftbridge.rpc import ServerOptions, ServerTransport, TransportName, create_server
from ftbridge.rpc.method import Method
from ftbridge.telemetry import setup_tracing
from ftbridge.wire.descriptors import FILES
from ftbridge.wire.health import ServingStatus
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy

from .deadlocks import LockCare, LockGuard
from .health import SERVICE_NAME as HEALTH_SERVICE
from .health import HealthService
from .host_link import HostLink
from .host_tools import HostTools
from .naming import SERVICE_NAME
from .reflection import SERVICE_NAMES as REFLECTION_SERVICES
from .reflection import ReflectionService
from .service import BridgeService
from .sessions import SessionStore
from .watching import Meter

_log = logging.getLogger("ftbridge.bridge")

DEFAULT_GRACE_SECONDS = 4.0
"""Time for running calls to finish when stopping; the Elixir host kills 6 s after its SIGTERM."""

FAREWELL_SECONDS = 0.25
"""Longest wait for health watchers to take NOT_SERVING before the transport ends their streams;
they take it within a millisecond unless a reader is stuck."""


class BridgeServer:
    """One adapter behind one address. Start it once, stop it once.

    Args:
        host: the adapter host; opened by `start`, closed by `stop`.
        listen: see `ftbridge.rpc.parse_address`; port 0 takes a free one.
        options: sizes and bounds of the transport.
        transport: see `ftbridge.rpc.create_server`.
        guard: watches the GIL while serving; when something switches it on, health turns
            NOT_SERVING. Its own ``on_trip`` is called as before.
        sessions, host_tools: parts of the embedded host; made new when not given.
        policy: how values travel, and which are accepted.
        link: the line to a host elsewhere, such as `RemoteHostLink`; closed by `stop`.
        lock_care: whether to look for deadlocks; one that lasts turns health NOT_SERVING.
        meter: counts the calls; see `ftbridge.metrics`.

    Raises:
        ValueError: bad address or options, or a tool whose name or metadata no host would take.
        RuntimeError: the transport cannot be used on this interpreter.
    """

    def __init__(
        self,
        host: AdapterHost,
        *,
        listen: str = "127.0.0.1:0",
        options: ServerOptions | None = None,
        transport: TransportName = "auto",
        guard: GilGuard | None = None,
        sessions: SessionStore | None = None,
        host_tools: HostTools | None = None,
        policy: WirePolicy = DEFAULT_POLICY,
        link: HostLink | None = None,
        lock_care: LockCare | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.host = host
        self._meter = meter
        self.guard = guard
        self.service = BridgeService(
            host, sessions, host_tools=host_tools, policy=policy, link=link
        )
        self.health = HealthService([SERVICE_NAME])
        self.reflection = ReflectionService(
            [SERVICE_NAME, HEALTH_SERVICE, *REFLECTION_SERVICES], FILES
        )
        methods: list[Method] = [
            *self.service.methods(),
            *self.health.methods(),
            *self.reflection.methods(),
        ]
        self._locks = LockGuard(lock_care or LockCare(), self.health.fail)
        self._transport: ServerTransport = create_server(
            methods,
            listen=listen,
            options=options or ServerOptions(),
            transport=transport,
            allow_gil=guard is not None and guard.allow_gil,
            on_leave=host.leave_thread,
        )
        self._transport_name = "native" if transport == "auto" else transport
        self._lock = threading.Lock()
        self._port: int | None = None
        self._stopping = False
        self._stopped = threading.Event()

    @property
    def transport(self) -> ServerTransport:
        """What serves; for its statistics."""
        return self._transport

    @property
    def port(self) -> int:
        """Where it listens. Raises RuntimeError before `start`."""
        if self._port is None:
            raise RuntimeError("the server has no port before start()")
        return self._port

    def start(self) -> int:
        """Open the adapter, listen, and report SERVING; returns the port.

        Raises:
            OSError: the address cannot be bound.
            GilEnabledError: opening the adapter switched the GIL on.
            BaseException: whatever the adapter's own set-up raises; nothing is left open.
        """
        guard = self.guard
        if guard is None:
            self._open()
        else:
            with guard.loading():
                self._open()
        try:
            self._port = self._transport.start()
        except BaseException:
            self.host.close()
            raise
        if guard is not None:
            self._chain_guard(guard)
            guard.watch()
        self._locks.start()
        self.service.telemetry.attach()
        self.health.set_all(ServingStatus.SERVING)
        return self._port

    def _open(self) -> None:
        self.host.open()
        # After the adapter, which may have set a tracer provider of its own.
        self.service.executor.watch_with(self._meter, setup_tracing())

    def check(self) -> bool:
        """Whether the GIL is as it must be; call it every second or so while serving.

        The guard's import hook reports at once; this finds what came another way.
        """
        return self.guard is None or self.guard.check()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until `stop` is done; False when ``timeout`` seconds passed first."""
        return self._stopped.wait(timeout)

    def stop(self, grace: float = DEFAULT_GRACE_SECONDS) -> None:
        """Turn NOT_SERVING, end the watches, let calls finish for ``grace`` seconds, close.

        Safe to call more than once and from any thread: a later call with a shorter grace cuts
        the wait of an earlier one short, and every call returns when everything is closed.
        """
        with self._lock:
            first = not self._stopping
            self._stopping = True
        # Health first: balancers learn it while the calls that are under way still finish.
        self.health.fail()
        self.service.close()
        self.health.close(min(grace, FAREWELL_SECONDS))
        if self._port is not None:
            self._transport.stop(grace)
        # What still waits for the host after its call has ended need not wait any longer.
        self.service.link.close()
        if not first:
            self._stopped.wait()
            return
        try:
            self._locks.stop()
            if self.guard is not None:
                self.guard.unwatch()
            if self._port is not None:
                self.host.close()
        finally:
            self._stopped.set()

    def describe(self) -> Mapping[str, object]:
        """What runs, for a start message: transport, address, tools, GIL."""
        return {
            "transport": self._transport_name,
            "port": self._port,
            "tools": len(self.host.tools),
            "gil": "not watched" if self.guard is None else self.guard.describe(),
        }

    def _chain_guard(self, guard: GilGuard) -> None:
        before = guard.on_trip

        def on_trip(trip: GilTrip) -> None:
            self.health.fail()
            if before is not None:
                before(trip)

        guard.on_trip = on_trip
