"""The server's count of its launchers, and the decision to end."""

import os
import queue
import socket

import pytest

from ftbridge.compat import attachments as module
from ftbridge.compat.attachments import Attachments
from ftbridge.compat.rendezvous import Rendezvous

WAIT = 10.0


@pytest.fixture
def meeting(tmp_path):
    return Rendezvous([], {"XDG_RUNTIME_DIR": str(tmp_path)})


@pytest.fixture
def opened(meeting):
    """An open place with the starting launcher's socket, and what is told at the end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(WAIT)
    gone = queue.SimpleQueue()
    place = Attachments(meeting, theirs, gone.put)
    place.open(4711)
    yield place, ours, gone
    ours.close()


def attached(meeting):
    launcher = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    launcher.settimeout(WAIT)
    try:
        launcher.connect(meeting.socket_path)
    except OSError:
        launcher.close()
        raise
    return launcher


def test_every_launcher_is_told_the_port(meeting, opened):
    _, first, _ = opened
    assert first.recv(16) == b"4711\n"
    with attached(meeting) as second:
        assert second.recv(16) == b"4711\n"


def test_it_ends_with_the_last_and_not_before(meeting, opened):
    place, first, gone = opened
    second = attached(meeting)
    assert second.recv(16)
    first.close()
    with attached(meeting) as third:  # answered after the first one's end was seen or not: no end
        assert third.recv(16)
    assert gone.empty()
    second.close()
    assert gone.get(timeout=WAIT) == "the last launcher has left"
    assert place.count == 0
    with pytest.raises(FileNotFoundError):
        attached(meeting)


def test_it_does_not_end_while_a_launcher_is_attaching(meeting, opened):
    _, first, gone = opened
    assert first.recv(16)
    lock = meeting.lock()  # a launcher that is about to connect
    first.close()
    with pytest.raises(queue.Empty):
        gone.get(timeout=4 * module._RETRY_SECONDS)
    with attached(meeting) as second:
        assert second.recv(16) == b"4711\n"
        os.close(lock)
        with pytest.raises(queue.Empty):
            gone.get(timeout=4 * module._RETRY_SECONDS)
    assert gone.get(timeout=WAIT)


def test_the_socket_that_a_killed_server_left_is_replaced(meeting):
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(meeting.socket_path)
    ours, theirs = socket.socketpair()
    gone = queue.SimpleQueue()
    Attachments(meeting, theirs, gone.put).open(4711)
    with attached(meeting) as launcher, ours:
        assert launcher.recv(16) == b"4711\n"
    assert gone.get(timeout=WAIT)


def test_the_log_is_bounded(tmp_path, monkeypatch):
    log = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    stderr = os.dup(2)
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 10)
    try:
        os.write(log, b"x" * 10)
        os.dup2(log, 2)
        module._bound_log()
        assert os.fstat(log).st_size == 10
        os.write(log, b"x")
        module._bound_log()
        assert os.fstat(log).st_size == 0
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(log)
