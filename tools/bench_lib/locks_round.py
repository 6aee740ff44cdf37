"""One round of `tools/bench locks` on one interpreter. Must never import grpc."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from . import control
from .errors import BenchError
from .locks_result import CONTROL

_TIMEOUT_SECONDS = 60


def measure(python: Path, root: Path) -> dict[str, Any]:
    """What the worker and the control found.

    Raises:
        BenchError: a process failed.
    """
    done = subprocess.run(
        [str(python), "-m", "tools.bench_lib.locks_worker"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{python} failed: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    found["scaling"][CONTROL] = {
        str(count): processes_rate(python, root, count) for count in (1, 2)
    }
    return found


def processes_rate(python: Path, root: Path, count: int) -> float:
    """Additions a second of so many processes at once: what no lock stands in the way of."""
    command = ["timeout", "-k", "5", str(_TIMEOUT_SECONDS), str(python)]
    command += ["-m", "tools.bench_lib.locks_worker", "--control"]
    processes = [
        subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            control.expect(process, "ready")
        for process in processes:
            control.go(process)
        return sum(float(control.line_of(process)) for process in processes)
    except ValueError as error:
        raise BenchError(f"{python} failed in the control: {error}") from None
    finally:
        for process in processes:
            process.terminate()
            process.communicate()
