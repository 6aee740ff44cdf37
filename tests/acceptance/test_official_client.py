"""The official client, in another process, passes every kind of call against our server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from acceptance.process import HERE, WAIT, Server, client_python, environment, served

CHECKS = [
    *("unary", "server_stream", "telemetry", "reflection", "health", "large", "many_streams"),
    *("many_unary", "errors", "gzip", "metadata"),
]


@pytest.fixture(scope="module")
def python() -> str:
    return client_python()


@pytest.fixture(scope="module")
def server(python, tmp_path_factory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def fifo(tmp_path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@contextmanager
def client(python: str, server: Server, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The client's process; it must end by itself, in time, with status 0."""
    command = [python, str(HERE / "grpcio_client.py"), server.address, *arguments]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        watchdog = threading.Timer(WAIT * 1.5, process.kill)
        watchdog.start()
        try:
            yield process
            out, _ = process.communicate()
            assert (process.returncode, out.splitlines()[-1:]) == (0, ["ok"]), out
        finally:
            watchdog.cancel()
            process.kill()


@pytest.mark.parametrize("check", CHECKS)
def test_check(python, server, check):
    with client(python, server, check):
        pass


@pytest.mark.parametrize("check", ["deadline", "cancel"])
def test_the_tool_learns_that_nobody_waits(python, server, fifo, check):
    with client(python, server, check, str(fifo)):
        pass


def test_a_killed_server_is_unavailable(python, tmp_path, fifo):
    with served(tmp_path) as server, client(python, server, "killed", str(fifo)) as process:
        assert process.stdout.readline() == "running\n"
        server.process.kill()


def wait_until_refused(server: Server) -> None:
    """Knock until nobody listens any more, as the first step of draining."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), WAIT).close()
        except ConnectionError:
            return
    pytest.fail("the server still listens")


def test_sigterm_drains(python, tmp_path, fifo):
    options = ("--grace", str(WAIT))
    with served(tmp_path, *options) as server:
        with client(python, server, "drained", str(fifo)) as process:
            assert process.stdout.readline() == "running\n"
            server.process.send_signal(signal.SIGTERM)
            wait_until_refused(server)
            assert server.process.poll() is None
            fifo.write_text("finished")
        assert server.process.wait(WAIT) == 0
    assert not (tmp_path / "port").exists()
