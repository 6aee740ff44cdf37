"""Starts the stand-in host in a process of its own, and talks to it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acceptance.process import WAIT, client_python, environment

STAND_IN = Path(__file__).resolve().parent / "bridge_stand_in.py"


class BridgeProcess:
    """A running stand-in; for the test's thread."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def do(self, order: str, **arguments: Any) -> Any:
        """Give an order (`Host.command` of the stand-in, or start, stop) and have its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": order, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def count(self, method: str) -> int:
        """How many calls of the method have come in since the last ``clear``."""
        return len(self.do("calls", method=method))


@contextmanager
def bridge_stand_in() -> Iterator[BridgeProcess]:
    """A stand-in that serves; it ends with the block. Skips where there is no grpcio."""
    command = [client_python(), str(STAND_IN)]
    with subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(WAIT * 1.8, process.kill)
        watchdog.start()
        try:
            yield BridgeProcess(process, json.loads(process.stdout.readline())["port"])
        finally:
            watchdog.cancel()
            process.kill()
