"""The shared server's side of its launchers: who is attached, and when the last one has left.

Every launcher holds a socket to the server for as long as it lives; the kernel closes it however
it dies. Launchers attach under a lock. The server ends itself under the same lock, so that none can
attach to a server that has just decided to end.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Final

from .rendezvous import Rendezvous

_log = logging.getLogger("ftbridge.compat")

MAX_LOG_BYTES: Final = 8 << 20
"""Size at which the server's log is emptied: nobody rotates it, and a pool may run for months."""

_LOOK_SECONDS: Final = 5.0  # between two looks at the log's size
_RETRY_SECONDS: Final = 0.05  # while a launcher that is just attaching has the lock
_BACKLOG: Final = 128


class Attachments:
    """Accepts launchers, tells them the port, and says once when all have left.

    Args:
        meeting: the place; the launcher that started this process holds its lock until `open`
            has told it the port.
        first: the socket of that launcher.
        gone: called with the reason when the last one has left, on a thread of this object's.
    """

    def __init__(
        self, meeting: Rendezvous, first: socket.socket, gone: Callable[[str], object]
    ) -> None:
        self._meeting = meeting
        self._gone = gone
        self._attached = {first.fileno(): first}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._port = 0
        self._thread = threading.Thread(target=self._run, name="ftbridge-attach", daemon=True)

    def open(self, port: int) -> None:
        """Take launchers from now on, and hand them `port`. Raises OSError."""
        self._port = port
        self._unlink()  # what a server that was killed has left; the lock is held for us
        self._listener.bind(self._meeting.socket_path)
        self._listener.listen(_BACKLOG)
        self._listener.setblocking(False)
        for launcher in self._attached.values():
            self._tell(launcher)
        self._thread.start()

    @property
    def count(self) -> int:
        """Launchers that are attached."""
        return len(self._attached)

    def _unlink(self) -> None:
        try:
            os.unlink(self._meeting.socket_path)  # noqa: PTH108  the path is of this process only
        except FileNotFoundError:
            pass  # somebody tidies temporary files

    def _tell(self, launcher: socket.socket) -> None:
        try:
            launcher.sendall(f"{self._port}\n".encode())
        except OSError:
            pass  # it has died meanwhile: the poll finds its end

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        for descriptor in self._attached:
            poll.register(descriptor, select.POLLIN)
        while True:
            timeout = _LOOK_SECONDS if self._attached else _RETRY_SECONDS
            for descriptor, _ in poll.poll(timeout * 1000):
                if descriptor == self._listener.fileno():
                    self._accept(poll)
                elif self._ended(descriptor):
                    poll.unregister(descriptor)
                    self._attached.pop(descriptor).close()
            if not self._attached and self._end(poll):
                return
            _bound_log()

    def _accept(self, poll: select.poll) -> None:
        while True:
            try:
                launcher, _ = self._listener.accept()
            except OSError:
                return
            self._attached[launcher.fileno()] = launcher
            poll.register(launcher, select.POLLIN)
            self._tell(launcher)
            _log.info("a launcher has attached: %d now", len(self._attached))

    def _ended(self, descriptor: int) -> bool:
        try:
            return not self._attached[descriptor].recv(64)
        except OSError:
            return True

    def _end(self, poll: select.poll) -> bool:
        """Stop taking launchers, unless one is attaching right now; whether it is the end."""
        lock = self._meeting.lock(wait=False)
        if lock is None:
            return False
        try:
            self._accept(poll)
            if self._attached:
                return False
            self._listener.close()
            self._unlink()
        finally:
            os.close(lock)
        self._gone("the last launcher has left")
        return True


def _bound_log() -> None:
    try:
        if os.fstat(2).st_size > MAX_LOG_BYTES:
            os.ftruncate(2, 0)  # appended to, so it goes on at its start
    except OSError:
        pass  # a pipe or a terminal
