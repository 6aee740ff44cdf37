"""A server's life between its start and its end: the signals, and the second of the guard.

A signal handler may interrupt any line of the main thread, so it does one thing that is safe
there: it puts the signal into a `SimpleQueue`, whose put is reentrant.  The main thread waits on
that queue; stopping, which blocks, runs on a thread of its own so that a second signal is heard.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Final, Protocol

from ftbridge.cli.terminal import EXIT_FAILED, note

_CHECK_SECONDS: Final = 1.0  # how often the guard looks; its check costs less than a microsecond
_CANCEL_SECONDS: Final = 3.0  # after a second signal, for the callers to be told

_HANDLED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

type Inbox = queue.SimpleQueue[int | None]  # signal numbers; None: the server has stopped


class Stoppable(Protocol):
    """What is served; `ftbridge.bridge.BridgeServer`."""

    def check(self) -> bool:
        """Called every second while serving."""

    def stop(self, grace: float = ...) -> None:
        """Blocks until stopped; called again with 0 when the user is out of patience."""


def serve_until_signal(server: Stoppable, *, grace: float, inbox: Inbox | None = None) -> None:
    """Wait for SIGTERM, SIGINT or SIGHUP, then stop: drain first, cancel on a second signal.

    `grace` in seconds; `inbox` of a `hearing()` around this.  Must run on the main thread.  Should
    a tool not end even then, a third signal, or three seconds, end the process as it is, with exit
    status 1.
    """
    with hearing() if inbox is None else nullcontext(inbox) as inbox:
        first = _wait(server, inbox)
        note(f"{_name(first)}: finishing running calls, up to {grace:g} s; once more cancels them.")
        _stop_beside(server, grace, inbox)
        second = _next(inbox)
        if second is None:
            return
        note(f"{_name(second)}: cancelling running calls.")
        threading.Thread(target=server.stop, args=(0.0,), daemon=True).start()
        try:
            if inbox.get(timeout=_CANCEL_SECONDS) is None:
                return
        except queue.Empty:
            pass
    note("A tool does not end; leaving it behind.")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_FAILED)  # an ordinary exit would wait for what does not end


def _wait(server: Stoppable, inbox: Inbox) -> int:
    while True:
        try:
            received = inbox.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            server.check()
            continue
        assert received is not None
        return received


def _next(inbox: Inbox) -> int | None:
    # In steps: a signal that comes just before the thread goes to sleep does not wake it, and its
    # handler runs when the thread next does.
    while True:
        try:
            return inbox.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            pass


def _stop_beside(server: Stoppable, grace: float, inbox: Inbox) -> None:
    def stop() -> None:
        try:
            server.stop(grace)
        finally:
            inbox.put(None)

    threading.Thread(target=stop, name="ftbridge-stop", daemon=True).start()


@contextmanager
def hearing() -> Iterator[Inbox]:
    """Have the signals put into the inbox instead of ending the process.

    From before anybody is told that the server is there: what it leaves behind for as long as it
    serves is cleared away only if a signal does not end it in between.
    """
    inbox: Inbox = queue.SimpleQueue()

    def handle(number: int, _frame: FrameType | None) -> None:
        inbox.put(number)

    before = {}
    for number in _HANDLED:
        # nohup: a process that is to outlive its terminal ignores SIGHUP, and must go on to.
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, handle)
    try:
        yield inbox
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _name(number: int) -> str:
    return signal.Signals(number).name
