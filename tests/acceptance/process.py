"""A served adapter in a process of its own, and the interpreter of the official client."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WAIT = 30.0  # seconds; only ever used up when something is broken


def environment() -> Mapping[str, str]:
    """This process's, with the checkout and the test adapter importable."""
    paths = [str(ROOT), str(ROOT / "locks"), str(HERE)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


@dataclass
class Server:
    """A running `ftbridge serve`."""

    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def served(folder: Path, *options: str) -> AbstractContextManager[Server]:
    """`ftbridge serve` with the acceptance adapter, killed at the end if it still runs."""
    return served_adapter("acceptance_adapter:AcceptanceAdapter", folder, *options)


@contextmanager
def served_adapter(spec: str, folder: Path, *options: str) -> Iterator[Server]:
    """`ftbridge serve` with this adapter, in this folder, killed at the end if it still runs."""
    command = [
        *(sys.executable, "-m", "ftbridge", "serve", "--listen", "127.0.0.1:0"),
        *("--adapter", spec, "--port-file", str(folder / "port"), *options),
    ]
    log = (folder / "server.log").open("w")
    with (
        log,
        subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder
        ) as process,
    ):
        assert process.stdout is not None
        # A server that hangs at its start must not hang the test, which reads its output.
        watchdog = threading.Timer(WAIT, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                if "Ctrl-C" in line:  # the last line of the start
                    break
            else:
                pytest.fail(f"the server ended: {(folder / 'server.log').read_text()}")
            watchdog.cancel()
            yield Server(process, int((folder / "port").read_text()))
        finally:
            watchdog.cancel()
            process.kill()


def client_python() -> str:
    """An interpreter with grpcio, or skip."""
    named = os.environ.get("FTBRIDGE_GIL_PYTHON")
    for candidate in (named, str(ROOT / ".venv-gil/bin/python"), sys.executable):
        if candidate and Path(candidate).exists() and _has_grpc(candidate):
            return candidate
    return pytest.skip("no interpreter with grpcio: ./tools/test makes .venv-gil, or set "
                       "FTBRIDGE_GIL_PYTHON")  # fmt: skip


def _has_grpc(python: str) -> bool:
    probe = [python, "-c", "import grpc, google.protobuf"]
    found = subprocess.run(probe, capture_output=True, timeout=WAIT, check=False)
    return found.returncode == 0
