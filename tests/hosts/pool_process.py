"""Starts the stand-in pool in a process of its own, with settings scaled down or real."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acceptance.process import client_python
from compat.process import PROCESS_SCRIPT, environment
from hosts.bridge_process import BridgeProcess

STAND_IN = Path(__file__).resolve().parent / "pool_stand_in.py"

SCALED: dict[str, Any] = {
    "heartbeat_interval": 0.1,
    "heartbeat_timeout": 8.0,
    "health_interval": 1.0,
    "ready_poll": 0.01,
    "restart_pause": 0.05,
}
"""A heartbeat every 0.1 s and a tool of 0.75 s stand in the ratio of 2 s and 15 s."""


@contextmanager
def pool_stand_in(folder: Path, limit: float = 55.0, **env: str) -> Iterator[BridgeProcess]:
    """A stand-in that takes orders, and its workers' end with the block."""
    command = [client_python(), str(STAND_IN)]
    surroundings = environment(XDG_RUNTIME_DIR=str(folder), TMPDIR=str(folder), **env)
    with subprocess.Popen(
        command,
        env=surroundings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(limit, process.kill)
        watchdog.start()
        try:
            yield BridgeProcess(process, json.loads(process.stdout.readline())["port"])
            process.stdin.close()  # it stops its workers
            process.wait(limit)
        finally:
            watchdog.cancel()
            process.kill()


def boot(pool: BridgeProcess, workers: int, *arguments: str, **settings: Any) -> list[str]:
    """Start a pool of our workers with the pool adapter; the states of its workers."""
    chosen = {**SCALED, **settings}
    chosen.setdefault("command", [sys.executable, str(PROCESS_SCRIPT)])
    states: list[str] = pool.do(
        "boot",
        workers=workers,
        arguments=["--adapter", "pool_adapters.PoolAdapter", "--grace", "0.5", *arguments],
        **chosen,
    )
    return states
