"""A worker under a Snakepit host: started, watched and stopped as the host does its own.

The order of a start is the incumbent's: reach the host, import the adapter, listen, and only then
write the ready file; whatever fails ends with status 1 and its reason as the last line, because
the host shows the end of the output. From the first sign that it is over (SIGTERM, SIGINT, the end
of standard input, a silent host) the process ends within the time of
grace and `UNWIND_SECONDS`, whatever the tools do.

Must never import click or rich: a pool starts many of these, and waits for them.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, cast

from .host_watch import HostPulse, watch_input
from .launch import Launch, lead_process_group
from .logs import configure_logging
from .ready import write_ready_file
from .watchdog import SHARE_OF_TIMEOUT, Watchdog

if TYPE_CHECKING:
    from ftbridge.adapters.base import BaseAdapter, Lifetime
    from ftbridge.bridge import BridgeServer, RemoteHostLink

_log = logging.getLogger("ftbridge.compat")

UNWIND_SECONDS: Final = 1.5
"""From the end of the time of grace to the end of the process at the latest. With the default
grace of 4 s that makes 5.5 s after SIGTERM; the host sends SIGKILL after 6."""

_SHARED_THREADS: Final = 32
"""Of a shared server, unless it is told: each launcher brings one call at a time, and how many
launchers will come is not known. One that waits costs about 100 KB."""

_STUCK_SECONDS: Final = 0.25  # beyond the end, for an interpreter that only seems to be stuck
_CHECK_SECONDS: Final = 1.0  # between two looks at the GIL
_REACH_ATTEMPTS: Final = 60  # a second each at most, as the incumbent tries to reach its host

_OK: Final = 0
_FAILED: Final = 1


class WorkerError(Exception):
    """What was asked for cannot be done; the message says all there is to say."""


type Inbox = queue.SimpleQueue[str]


def run(
    launch: Launch, *, on_ready: Callable[[int, Callable[[str], object]], None] | None = None
) -> int:
    """Run a worker on the main thread; the exit status: 0 after a stop, 1 if it cannot start.

    Args:
        on_ready: called with the port and a function that ends the worker (it takes the reason),
            in place of writing the ready file and watching standard input.
    """
    configure_logging()
    lead_process_group(launch)
    if launch.health_check:
        return _health_check(launch)
    inbox: Inbox = queue.SimpleQueue()
    over = threading.Event()
    _handle_signals(inbox, over)
    pulse = _pulse(launch, inbox)
    if pulse is not None and not _reach(pulse, launch, over):
        return _OK if over.is_set() else _FAILED
    try:
        server = _start(launch)
    except (Exception, SystemExit) as error:  # noqa: BLE001  the adapter's own code may raise anything
        _explain(launch, error)
        return _FAILED
    watchdog = _watchdog(launch, server.port)
    try:
        if on_ready is not None:
            on_ready(server.port, inbox.put)
        else:
            watch_input(inbox.put)
            _announce(launch, server.port)
    except OSError as error:
        say(f"cannot say the port to the host ({launch.ready_file}): {error.strerror}")
        server.stop(0.0)
        return _FAILED
    if watchdog is not None:
        watchdog.start()
    if pulse is not None:
        pulse.start()
    reason = _wait(server, inbox)
    _end_in_time(launch.grace + UNWIND_SECONDS, watchdog)
    _log.info("stopping: %s", reason)
    if pulse is not None:
        pulse.stop()
    try:
        server.stop(launch.grace)
    except Exception:  # noqa: BLE001  the adapter's teardown; the host is not to call it a crash
        _log.exception("stopping failed")
    return _OK


def say(line: str) -> None:
    """One line for whoever reads the host's log."""
    print(f"ftbridge: {line}", file=sys.stderr, flush=True)


def _handle_signals(inbox: Inbox, over: threading.Event) -> None:
    def handle(number: int, _frame: FrameType | None) -> None:
        over.set()
        inbox.put(signal.Signals(number).name)  # reentrant, as a handler has to be

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _pulse(launch: Launch, inbox: Inbox) -> HostPulse | None:
    if not launch.elixir_address:
        return None
    try:
        return HostPulse(launch.elixir_address, launch.heartbeat, inbox.put)
    except ValueError as error:
        say(f"--elixir-address: {error}")
        raise SystemExit(_FAILED) from None


def _reach(pulse: HostPulse, launch: Launch, over: threading.Event) -> bool:
    """Reach the host before anything else; False when it stays away, or a signal came first."""
    reached: queue.SimpleQueue[bool] = queue.SimpleQueue()
    # On a thread of its own, so that a signal is obeyed at once and not after the attempt.
    threading.Thread(
        target=lambda: reached.put(pulse.reach(attempts=_REACH_ATTEMPTS)), daemon=True
    ).start()
    while not over.is_set():
        try:
            found = reached.get(timeout=0.1)
        except queue.Empty:
            continue
        if not found:
            say(
                f"the host at {launch.elixir_address} does not answer Ping; is its BridgeServer "
                "running, and is that its address?"
            )
        return found
    pulse.stop()
    return False


def _start(launch: Launch) -> BridgeServer:
    from ftbridge.adapters.host import AdapterHost
    from ftbridge.adapters.loader import load_adapter
    from ftbridge.bridge import BridgeServer
    from ftbridge.guard import GilGuard
    from ftbridge.rpc import ServerOptions
    from ftbridge.wire.policy import WirePolicy

    guard = GilGuard(allow_gil=launch.allow_gil)
    guard.check_start()
    with guard.loading():
        adapter = load_adapter(launch.adapter)
        server = BridgeServer(
            AdapterHost(
                adapter,
                lifetime=cast("Lifetime", launch.lifetime) if launch.lifetime else None,
                serialize=launch.serialize or _alone(launch, adapter),
                config=_config(launch.config),
            ),
            # The host connects to 127.0.0.1 or localhost; nobody else has any business here.
            listen=f"127.0.0.1:{launch.port}",
            options=ServerOptions(
                threads=launch.threads or (_SHARED_THREADS if launch.shared else 0)
            ),
            guard=guard,
            policy=WirePolicy.from_environment(
                snakepit=launch.snakepit_values, allow_pickle=launch.allow_pickle
            ),
            link=_link(launch),
        )
    server.start()
    return server


def _link(launch: Launch) -> RemoteHostLink | None:
    """The line to the host; none where there is no host, so that the embedded one serves."""
    if not launch.elixir_address:
        return None
    from ftbridge.bridge import RemoteHostLink
    from ftbridge.bridge.host_registration import worker_id_from_ready_file

    # Of a shared server's launchers the first one's id stands for all: the host looks the port up
    # under it, which is everyone's.
    worker_id = worker_id_from_ready_file(launch.ready_file)
    return RemoteHostLink(launch.elixir_address, worker_id=worker_id)


def _config(path: str) -> Mapping[str, object]:
    if not path:
        return {}
    from ftbridge.cli.config import parse_config  # the one part of a worker that loads click

    try:
        return parse_config(Path(path))
    except (OSError, ValueError) as error:
        raise WorkerError(f"--config {path}: {error}") from None


def _alone(launch: Launch, adapter: type[BaseAdapter]) -> bool:
    """Whether an adapter that does not declare itself thread-safe may run all the same, one call
    at a time: the process profile promises no more, and its adapters were written for that."""
    return not (launch.threaded or launch.shared or adapter.__thread_safe__)


def _health_check(launch: Launch) -> int:
    """What the host's doctor asks: can the adapter be imported here?"""
    from ftbridge.adapters.loader import load_adapter

    if launch.adapter:
        try:
            load_adapter(launch.adapter)
        except (Exception, SystemExit) as error:  # noqa: BLE001  see above
            _explain(launch, error)
            return _FAILED
    print("ftbridge: healthy")
    return _OK


def _explain(launch: Launch, error: BaseException) -> None:
    cause = error.__cause__ or error
    if not type(error).__module__.startswith("ftbridge.") or error.__cause__ is not None:
        traceback.print_exception(cause)
    say(f"cannot serve {launch.adapter}: {type(error).__name__}: {error}")


def _watchdog(launch: Launch, port: int) -> Watchdog | None:
    heartbeat = launch.heartbeat
    if not (launch.ready_file and heartbeat.enabled and heartbeat.dependent):
        return None  # nobody would give this worker up, so nothing is gained by a crash
    return Watchdog(port, limit=SHARE_OF_TIMEOUT * heartbeat.timeout_ms / 1000)


def _announce(launch: Launch, port: int) -> None:
    if launch.ready_file:
        write_ready_file(launch.ready_file, port)
    else:
        say(f"serving {launch.adapter} on 127.0.0.1:{port}")


def _wait(server: BridgeServer, inbox: Inbox) -> str:
    while True:
        try:
            return inbox.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            server.check()


def _end_in_time(seconds: float, watchdog: Watchdog | None) -> None:
    """Have the process end, come what may: a tool's threads would keep an interpreter waiting."""
    # A timer that needs no interpreter, should this one be stuck; the thread's end is the better.
    late = seconds + _STUCK_SECONDS
    if watchdog is not None:
        watchdog.end_in(late)
    else:
        faulthandler.dump_traceback_later(late, exit=True)

    def end() -> None:
        time.sleep(seconds)
        sys.stderr.flush()
        os._exit(_OK)

    threading.Thread(target=end, name="ftbridge-end", daemon=True).start()
