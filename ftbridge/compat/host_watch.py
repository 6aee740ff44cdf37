"""Sees that the host has gone, so that no worker outlives it.

Two signs. The end of standard input: the BEAM holds the other end, and a BEAM that is killed or
halts sends no signal at all. And silence of the host's BridgeServer, for a host whose machine or
listener has gone while the pipe still stands.

Runs on daemon threads, tells what it saw once, and decides nothing: the worker stops itself.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable

from ftbridge.bridge.service import SERVICE_NAME
from ftbridge.rpc import Channel, RpcError
from ftbridge.wire import messages

from .launch import HeartbeatSettings

_log = logging.getLogger("ftbridge.compat")

_PING = f"/{SERVICE_NAME}/Ping"
_CHUNK = 4096


def watch_input(gone: Callable[[str], object], descriptor: int = 0) -> bool:
    """Call ``gone(why)`` when the pipe at `descriptor` reaches its end; whether it is watched.

    Only a pipe or a socket is: a terminal or /dev/null is not what a host gives, and the end of
    the latter means nothing. What arrives is read and dropped.
    """
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # closed: started by hand, or by a supervisor
        return False
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return False
    threading.Thread(
        target=_read_to_end, args=(descriptor, gone), name="ftbridge-stdin", daemon=True
    ).start()
    return True


def _read_to_end(descriptor: int, gone: Callable[[str], object]) -> None:
    try:
        while os.read(descriptor, _CHUNK):
            pass
    except OSError as error:
        gone(f"standard input failed ({error.strerror}): the host has gone")
        return
    gone("standard input has ended: the host has gone")


class HostPulse:
    """Pings the host's BridgeServer, and says when it has been silent too often in a row.

    Ping, not Heartbeat: the latter renews a session on the host, which would then never expire.

    Args:
        address: of the BridgeServer.
        settings: interval, deadline, how many misses are too many.
        gone: called once, with the reason, on this object's thread.
    """

    def __init__(
        self, address: str, settings: HeartbeatSettings, gone: Callable[[str], object]
    ) -> None:
        self._settings = settings
        self._gone = gone
        self._address = address
        self._channel = Channel(address)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ftbridge-host-pulse", daemon=True)

    def reach(self, *, attempts: int, pause: float = 0.05, longest_pause: float = 2.0) -> bool:
        """Whether the host answers within that many attempts of a second each; `stop` ends it."""
        for attempt in range(attempts):
            if self._ping(1.0) is None:
                return True
            if attempt + 1 < attempts and self._stopped.wait(pause):
                return False
            pause = min(2 * pause, longest_pause)
        return False

    def start(self) -> None:
        """Begin to ping, unless the settings say that this worker does not depend on its host."""
        if self._settings.enabled and self._settings.dependent:
            self._thread.start()

    def stop(self) -> None:
        """End it, from any thread, without waiting for a ping that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            self._watch()
        finally:
            self._channel.close()

    def _watch(self) -> None:
        settings = self._settings
        missed = 0
        if self._stopped.wait(settings.initial_delay_ms / 1000):
            return
        while not self._stopped.wait(settings.interval_ms / 1000):
            error = self._ping(settings.timeout_ms / 1000)
            if error is None:
                missed = 0
                continue
            missed += 1
            _log.warning("the host did not answer (%d in a row): %s", missed, error)
            if missed >= settings.max_missed_heartbeats and not self._stopped.is_set():
                self._gone(f"{missed} pings in a row to the host at {self._address} have failed")
                return

    def _ping(self, timeout: float) -> RpcError | None:
        request = messages.PingRequest(message="ftbridge").encode()
        try:
            self._channel.unary(_PING, request, timeout=timeout)
        except RpcError as error:
            return error
        return None
