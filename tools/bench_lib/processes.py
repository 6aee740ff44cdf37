"""Servers under test as processes: started fresh, ended by their pid, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import BenchError

START_SECONDS = 30.0
"""For a server to say its port: imports from a cold disk on a busy machine take seconds."""

STOP_SECONDS = 10.0
"""From SIGTERM to SIGKILL."""

_POLL_SECONDS = 0.02
_TAIL_CHARACTERS = 2000


@contextmanager
def running(command: Sequence[str], *, name: str, root: Path, life_seconds: float) -> Iterator[int]:
    """Run a server that writes its port to ``--port-file``; the port, while the block lasts.

    Args:
        command: the server's, without ``--port-file FILE``, which is added.
        root: the working directory, from where the server finds the checkout's modules.
        life_seconds: the server ends after this time even if this process was killed.

    Raises:
        BenchError: the server ended early or did not say its port in time; with its last output.
    """
    with tempfile.TemporaryDirectory(prefix="ftbridge-bench-") as folder:
        port_file = Path(folder) / "port"
        log = Path(folder) / "log"
        with log.open("wb") as output:
            bounded = ("timeout", "-k", "5", f"{life_seconds:.0f}")
            # timeout(1) leads a process group of its own: it ends the server when we cannot.
            process = subprocess.Popen(
                (*bounded, *command, "--port-file", str(port_file)),
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _port(process, port_file, log, name)
        finally:
            _stop(process)


def _port(process: subprocess.Popen[bytes], port_file: Path, log: Path, name: str) -> int:
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        if port_file.exists():  # complete: it is renamed into place
            return int(port_file.read_text())
        if process.poll() is not None:
            raise BenchError(
                f"{name} ended at its start with status {process.returncode}: {_tail(log)}"
            )
        time.sleep(_POLL_SECONDS)
    raise BenchError(f"{name} did not serve within {START_SECONDS:g} s: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_TAIL_CHARACTERS:].strip() or "it printed nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()  # timeout(1) hands it on to the server
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
