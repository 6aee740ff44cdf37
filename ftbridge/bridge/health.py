"""The standard health service, ``grpc.health.v1.Health``.

Load balancers and probes ask it whether to send calls here. The answer comes from whoever knows:
the server sets it while starting and draining, the GIL guard when something switches the GIL on.

``Check`` is answered without waiting for a handler thread. ``Watch`` sends the current state and
then each change; a reader that is slow sees the newest state, not every one in between.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from ftbridge.rpc.method import Call, Method, MethodKind
from ftbridge.rpc.status import RpcError, StatusCode
from ftbridge.wire import health as wire
from ftbridge.wire.health import ServingStatus

SERVICE_NAME = "grpc.health.v1.Health"


class HealthService:
    """States of the services of one server, and the methods that report them.

    Safe to use from any thread. A ``Check`` that starts after `set_all` returned reports that
    state or a later one, and a watcher that misses a state in between still gets the last one.

    Args:
        services: names that have a state; the empty name, which stands for the whole server, is
            always among them. All are NOT_SERVING at first.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, ServingStatus] = dict.fromkeys(
            ("", *services), ServingStatus.NOT_SERVING
        )
        self._watchers: tuple[_Watcher, ...] = ()
        self._latched = False
        self._closed = False
        self._all_told = threading.Event()

    def set_all(self, status: ServingStatus) -> None:
        """Set every service's state and tell the watchers. Ignored after `fail`."""
        with self._lock:
            if not self._latched:
                self._publish(status)

    def fail(self) -> None:
        """NOT_SERVING from now on, whatever is set later: draining, or the GIL came on."""
        with self._lock:
            self._latched = True
            self._publish(ServingStatus.NOT_SERVING)

    def close(self, timeout: float = 0.0) -> bool:
        """End every watch after its last state, and each later one after its first.

        Args:
            timeout: seconds to wait until every watcher has taken its last state.

        Returns:
            Whether they all have.
        """
        with self._lock:
            self._closed = True
            watchers = self._watchers
        if not watchers:
            self._all_told.set()
        for watcher in watchers:
            watcher.end()
        return self._all_told.wait(timeout)

    def status(self, service: str = "") -> ServingStatus:
        """The state of a service; SERVICE_UNKNOWN for a name that has none."""
        return self._states.get(service, ServingStatus.SERVICE_UNKNOWN)

    def _publish(self, status: ServingStatus) -> None:
        for service in self._states:
            self._states[service] = status
        for watcher in self._watchers:
            watcher.wake()

    # --- RPCs -----------------------------------------------------------------------------------

    def methods(self) -> list[Method]:
        """Check (inline), Watch and List."""
        return [
            Method(
                path=f"/{SERVICE_NAME}/Check",
                kind=MethodKind.UNARY,
                handler=self.check,
                decode=wire.HealthCheckRequest.decode,
                encode=wire.HealthCheckResponse.encode,
                inline=True,
            ),
            Method(
                path=f"/{SERVICE_NAME}/Watch",
                kind=MethodKind.SERVER_STREAM,
                handler=self.watch,
                decode=wire.HealthCheckRequest.decode,
                encode=wire.HealthCheckResponse.encode,
                long_lived=True,
            ),
            Method(
                path=f"/{SERVICE_NAME}/List",
                kind=MethodKind.UNARY,
                handler=self.list_all,
                decode=wire.HealthListRequest.decode,
                encode=wire.HealthListResponse.encode,
                inline=True,
            ),
        ]

    def check(self, request: wire.HealthCheckRequest, call: Call) -> wire.HealthCheckResponse:
        """The state of one service. NOT_FOUND for an unknown one, as the specification asks."""
        status = self._states.get(request.service)
        if status is None:
            raise RpcError(
                StatusCode.NOT_FOUND,
                f"no service named {request.service!r} is served here; "
                f"known: {', '.join(sorted(self._states)[1:])}",
            )
        return wire.HealthCheckResponse(status=status)

    def list_all(self, request: wire.HealthListRequest, call: Call) -> wire.HealthListResponse:
        """The state of every service."""
        states = {name: wire.HealthCheckResponse(status=s) for name, s in self._states.items()}
        return wire.HealthListResponse(statuses=states)

    def watch(
        self, request: wire.HealthCheckRequest, call: Call
    ) -> Iterator[wire.HealthCheckResponse]:
        """The state of one service, and each change. SERVICE_UNKNOWN for an unknown one."""
        watcher = _Watcher(self, request.service)
        with self._lock:
            self._watchers = (*self._watchers, watcher)
            closed = self._closed
        if closed:
            watcher.end()
        call.add_done_callback(watcher.close)
        return watcher

    def _forget(self, watcher: _Watcher) -> None:
        with self._lock:
            self._watchers = tuple(w for w in self._watchers if w is not watcher)
            if self._closed and not self._watchers:
                self._all_told.set()


class _Watcher:
    """Responses of one ``Watch``: the state when it differs from the last one sent.

    The queue carries wake-ups only, and at most a few: the state itself is read when the reader
    gets to it. True means look again, False means the end.
    """

    def __init__(self, health: HealthService, service: str) -> None:
        self._health = health
        self._service = service
        self._last: ServingStatus | None = None
        self._wakeups: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._wakeups.put(True)

    def wake(self) -> None:
        # Whoever takes the wake-up that already waits reads the state after it, and so sees the
        # change that this call is about.
        if not self._wakeups.qsize():
            self._wakeups.put(True)

    def end(self) -> None:
        self._wakeups.put(False)

    def __iter__(self) -> Iterator[wire.HealthCheckResponse]:
        return self

    def __next__(self) -> wire.HealthCheckResponse:
        while self._wakeups.get():
            status = self._health.status(self._service)
            if status is not self._last:
                self._last = status
                return wire.HealthCheckResponse(status=status)
        self._wakeups.put(False)
        self._health._forget(self)
        raise StopIteration

    def close(self) -> None:
        """Stop watching; a waiting ``next()`` ends."""
        self._health._forget(self)
        self.end()
