"""The watchdog is put off by answers, by nothing else, and ends a stuck process with its stacks."""

import faulthandler
import socket
import struct
import threading

import pytest
from compat.process import execute, started

from ftbridge.compat.watchdog import Watchdog
from ftbridge.rpc import RpcError, create_server

HEARTBEATS = {"SNAKEPIT_HEARTBEAT_CONFIG": '{"timeout_ms": 2500}'}  # hence a limit of 2 s


@pytest.fixture
def timer(monkeypatch):
    """Counts how often the timer was set, in place of setting it."""
    armed = threading.Semaphore(0)
    cancelled = threading.Event()
    monkeypatch.setattr(
        faulthandler, "dump_traceback_later", lambda timeout, exit, file: armed.release()
    )
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", cancelled.set)
    armed.cancelled = cancelled
    return armed


def test_answers_put_the_end_off(timer):
    server = create_server([])
    watchdog = Watchdog(server.start(), limit=5.0, connections=3, interval=0.001)
    try:
        watchdog.start()
        for _ in range(5):
            assert timer.acquire(timeout=10.0)
        assert watchdog.rounds >= 3
    finally:
        watchdog.stop()
        server.stop(0.0)
    assert timer.cancelled.is_set()


def test_silence_does_not(timer):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        watchdog = Watchdog(mute.getsockname()[1], limit=0.2, connections=1)
        watchdog.start()
        assert timer.acquire(timeout=10.0)  # at the start
        asked, _ = mute.accept()
        with asked:
            frames = b""
            while len(frames) < 24 + 9 + 17:  # preface, SETTINGS, PING
                frames += asked.recv(100)
            assert not timer.acquire(timeout=0.5)
            # And an answer, if it comes at last, does.
            ack = struct.pack("!BHBBL", 0, 8, 6, 1, 0)
            while not timer.acquire(blocking=False):
                asked.sendall(ack + frames[-8:])
                asked.settimeout(0.1)
                try:
                    frames = asked.recv(1000) or frames
                except TimeoutError:
                    pass
        watchdog.stop()
    assert watchdog.rounds >= 1


def test_a_closed_connection_is_not_silence(timer):
    with socket.create_server(("127.0.0.1", 0)) as rude:
        watchdog = Watchdog(rude.getsockname()[1], limit=5.0, connections=1, interval=0.001)
        watchdog.start()
        for _ in range(3):
            rude.accept()[0].close()
            assert timer.acquire(timeout=10.0)
        watchdog.stop()


def test_a_stop_has_its_own_end_and_answers_put_it_off_no_more(timer, monkeypatch):
    server = create_server([])
    ends = []
    watchdog = Watchdog(server.start(), limit=5.0, connections=1, interval=0.001)
    try:
        watchdog.start()
        assert timer.acquire(timeout=10.0)
        monkeypatch.setattr(
            faulthandler, "dump_traceback_later", lambda timeout, exit, file: ends.append(timeout)
        )
        watchdog.end_in(1.5)
        assert not timer.cancelled.is_set()  # never a moment without a timer
    finally:
        watchdog.stop()
        server.stop(0.0)
    assert ends[ends.index(1.5) :] == [1.5]


def test_a_limit_has_to_be_a_time():
    with pytest.raises(ValueError, match="limit=0"):
        Watchdog(1, limit=0)


@pytest.mark.parametrize("disaster", ["stop_reactors", "hold_interpreter"])
def test_a_stuck_process_dumps_its_stacks_and_exits(tmp_path, disaster):
    with started(tmp_path, "--adapter", "pool_adapters.PoolAdapter", env=HEARTBEATS) as worker:
        channel = worker.connect()
        with pytest.raises(RpcError):
            execute(channel, disaster, timeout=0.2)
        assert worker.wait() == 1
        assert "Timeout (0:00:02" in worker.output()
        assert "ftbridge-watchdog" in worker.output() or "watchdog.py" in worker.output()
