"""Ends a process that can no longer answer, while its host can still recover from that.

A Snakepit host restarts a worker that crashes within seconds, but gives one that misses a single
heartbeat up for good, after 10 s. So when the threads that answer heartbeats are stuck for good
(an extension module that holds the interpreter, or a defect of ours), the best that a worker can
do is to say where every thread was, and crash.

The proof of life is what the host itself would see: HTTP/2 PING frames over connections to our own
port, answered by the reactors. While they are answered, a timer of `faulthandler`, a thread in C
that needs no interpreter, is put off; when they are not, or the thread here cannot run either, it
prints all stacks and exits with status 1.

Imports nothing of ftbridge: it must not depend on what it judges.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import struct
import sys
import threading
import time
from typing import Final, TextIO

SHARE_OF_TIMEOUT: Final = 0.8
"""Of the host's deadline for a heartbeat: 8 s of 10. The rest is for printing and the exit."""

_INTERVAL_SECONDS: Final = 1.0
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME: Final = struct.Struct("!BHBBL")  # length (8 + 16 bits), type, flags, stream (section 4.1)
_SETTINGS: Final = 4
_PING: Final = 6
_ACK: Final = 1


class Watchdog:
    """Watches a server on a port of this machine until `stop`.

    Args:
        port: where the server listens on 127.0.0.1.
        limit: seconds without an answer after which the process ends.
        connections: to keep open. The listener deals connections out to the reactors in turn, so
            as many as there are reactors reach them all; 0 takes one for each usable core, at
            most 8.
        interval: seconds between two rounds of PINGs.
        file: where the stacks go; has to have a file descriptor.
    """

    def __init__(
        self,
        port: int,
        *,
        limit: float,
        connections: int = 0,
        interval: float = _INTERVAL_SECONDS,
        file: TextIO | None = None,
    ) -> None:
        if not limit > 0:
            raise ValueError(f"limit={limit!r} must be above 0 seconds")
        self._port = port
        self._limit = limit
        self._count = connections or min(8, os.process_cpu_count() or 1)
        self._interval = min(interval, limit / 4)
        self._file = file or sys.stderr
        self._lock = threading.Lock()  # of the timer, which the process has only one of
        self._stopped = threading.Event()
        self._rounds = 0
        self._thread = threading.Thread(target=self._run, name="ftbridge-watchdog", daemon=True)

    @property
    def rounds(self) -> int:
        """How often all connections have answered."""
        return self._rounds

    def start(self) -> None:
        """Begin to watch. The server has to be listening."""
        self._arm()
        self._thread.start()

    def end_in(self, seconds: float) -> None:
        """End the process in so many seconds, whatever the server answers from now on.

        For a stop, which must not hang either. There is no moment without a timer in between: an
        interpreter that gets stuck just then would never be ended.
        """
        with self._lock:
            self._stopped.set()
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    def disarm(self) -> None:
        """Never end the process from now on, without waiting for the thread.

        What a round does at the same moment cannot arm it again.
        """
        with self._lock:
            self._stopped.set()
            faulthandler.cancel_dump_traceback_later()

    def stop(self) -> None:
        """Disarm, and wait for the thread. Safe to call more than once."""
        self.disarm()
        if self._thread.ident is not None:
            self._thread.join()

    def _arm(self) -> None:
        with self._lock:
            if not self._stopped.is_set():
                faulthandler.dump_traceback_later(self._limit, exit=True, file=self._file)

    def _run(self) -> None:
        peers: list[_Peer] = []
        while not self._stopped.is_set():
            try:
                self._round(peers)
            except TimeoutError:
                continue  # silence: the timer runs on, unless the next round is answered
            except OSError:
                # A connection that was closed (a limit on connections, no descriptor left) says
                # nothing about the reactors that serve the others: only silence counts.
                while peers:
                    peers.pop().close()
            else:
                self._rounds += 1
            self._arm()
            self._stopped.wait(self._interval)
        while peers:
            peers.pop().close()

    def _round(self, peers: list[_Peer]) -> None:
        """Ask all at once, then wait for all. Raises OSError, TimeoutError among them."""
        while len(peers) < self._count:
            peers.append(_Peer(self._port, self._limit))
        for peer in peers:
            peer.send_ping()
        for peer in peers:
            peer.await_pong()


class _Peer:
    """A connection that only sends PINGs (RFC 9113, section 6.7)."""

    def __init__(self, port: int, timeout: float) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout)
        self._sock.sendall(_PREFACE + _frame(_SETTINGS, 0, b""))
        self._payload = b""

    def send_ping(self) -> None:
        self._payload = struct.pack("!Q", time.monotonic_ns())
        self._sock.sendall(_frame(_PING, 0, self._payload))

    def await_pong(self) -> None:
        """Read frames until the answer to the last PING. Raises OSError."""
        while True:
            high, low, kind, flags, _ = _FRAME.unpack(self._read(_FRAME.size))
            payload = self._read(high << 16 | low)
            if kind == _SETTINGS and not flags & _ACK:
                self._sock.sendall(_frame(_SETTINGS, _ACK, b""))
            elif kind == _PING and not flags & _ACK:
                self._sock.sendall(_frame(_PING, _ACK, payload))
            elif kind == _PING and payload == self._payload:
                return

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._sock.recv(size - len(data))
            if not more:
                raise ConnectionResetError("the server closed the connection")
            data += more
        return data

    def close(self) -> None:
        self._sock.close()


def _frame(kind: int, flags: int, payload: bytes) -> bytes:
    return _FRAME.pack(0, len(payload), kind, flags, 0) + payload
