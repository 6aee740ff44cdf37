"""One of many launches that share a server: attach, hand the port to the host, stay alive.

A Snakepit host sends each of its workers one call at a time, but does not mind where a worker's
port leads. So a pool of N workers can be N of these, about 15 MB each, in front of one
free-threaded server that holds one copy of the model and runs N calls at once.

What the host does to a worker happens to the launcher. SIGTERM ends it, as it ends any process;
standard input at its end, too; the server notices by the socket, and the last one leaving stops
it. And when the server dies every launcher exits with status 1, because the host restarts what
crashes and gives up what stops to answer.

The server inherits nothing of a launcher's: a host takes a killed worker for alive as long as
anybody holds its output open. Imports nothing of ftbridge but its light neighbours.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys

from .launch import Launch, lead_process_group
from .ready import write_ready_file
from .rendezvous import HANDOVER_VARIABLE, Rendezvous, UnsafeFolderError

_FAILED = 1
_PORT_LINE = 16  # bytes; "65535\n" is the longest


class _HostGone(Exception):  # noqa: N818  not an error
    """Standard input has ended."""


class ServerEndedError(Exception):
    """The shared server has ended, or could not start. `status` is this process's."""

    def __init__(self, message: str, status: int = _FAILED) -> None:
        super().__init__(message)
        self.status = status


def attach(launch: Launch) -> int:
    """Share a server with all launches that are alike, until host or server end; the status."""
    # Before anything else, so that it holds for the wait for the lock as well: a launcher has
    # nothing to put in order.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    lead_process_group(launch)
    try:
        meeting = Rendezvous(launch.arguments)
        server, port = _join(meeting)
        if launch.ready_file:
            write_ready_file(launch.ready_file, port)
        else:
            print(f"ftbridge: attached to port {port}", flush=True)
        _wait_for_byte(server)
        raise ServerEndedError(f"the shared server has ended; its output is in {meeting.log_path}")
    except _HostGone:
        return 0
    except ServerEndedError as ended:
        print(f"{meeting.log_tail()}ftbridge: {ended}", file=sys.stderr, flush=True)
        return ended.status
    except (OSError, UnsafeFolderError) as error:
        print(f"ftbridge: cannot share a server: {error}", file=sys.stderr, flush=True)
        return _FAILED


def _join(meeting: Rendezvous) -> tuple[socket.socket, int]:
    """A socket to the server, which ends when the server does, and the server's port."""
    lock = meeting.lock()
    assert lock is not None
    try:
        found = _connect(meeting)
        if found is None:
            found = _start(meeting)
        return found
    finally:
        os.close(lock)


def _connect(meeting: Rendezvous) -> tuple[socket.socket, int] | None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.connect(meeting.socket_path)
    except (FileNotFoundError, ConnectionRefusedError):
        server.close()
        return None
    port = _read_port(server)
    if port is None:  # it was just stopping
        server.close()
        return None
    return server, port


def _start(meeting: Rendezvous) -> tuple[socket.socket, int]:
    ours, theirs = socket.socketpair()
    log = meeting.open_log()
    os.set_inheritable(theirs.fileno(), True)
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, *sys.argv],
        {**os.environ, HANDOVER_VARIABLE: str(theirs.fileno())},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ],
        setsid=True,  # the host signals a launcher's whole group
    )
    theirs.close()
    os.close(log)
    port = _read_port(ours)
    if port is None:
        _, status = os.waitpid(pid, 0)
        raise ServerEndedError(
            "the shared server could not start", abs(os.waitstatus_to_exitcode(status)) or _FAILED
        )
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombie; the socket tells of its end
    return ours, port


def _read_port(server: socket.socket) -> int | None:
    line = b""
    while not line.endswith(b"\n"):
        _wait_for_byte(server)
        try:
            more = server.recv(_PORT_LINE)
        except ConnectionResetError:
            return None
        if not more:
            return None
        line += more
    return int(line)


def _wait_for_byte(server: socket.socket) -> None:
    """Until the server has sent something or ended. Raises `_HostGone`."""
    poll = select.poll()
    poll.register(server, select.POLLIN)
    if _is_pipe(0):
        poll.register(0, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor != 0:
                return
            if not os.read(0, 4096):
                raise _HostGone


def _is_pipe(descriptor: int) -> bool:
    import stat

    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
