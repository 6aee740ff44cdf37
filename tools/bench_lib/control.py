"""The control: do two processes on this machine get through twice the work of one?

Two processes share no interpreter, so what they do not gain, no thread can. Where the machine has
one core, or others use it, a parallel figure would measure the neighbours.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError

LEAST_SCALING = 1.6
"""Of 2 at best. Two cores that share a cache and a clock budget give 1.7 to 2.0."""

REPEATS = 3
ITERATIONS = 3_000_000
"""About half a second for a process."""

_TIMEOUT_SECONDS = 60.0
_BURNER = """\
import sys
from tools.bench_lib.work import spin
print("ready", flush=True)
sys.stdin.readline()
spin(int(sys.argv[1]))
print("done", flush=True)
"""


@dataclass(frozen=True, slots=True)
class Control:
    """How many times one process's work two processes do in the same time, at each repeat."""

    scalings: tuple[float, ...]

    @classmethod
    def of(cls, times: Sequence[tuple[float, float]]) -> Control:
        """From pairs of seconds: one process alone, then two at once with as much work each."""
        return cls(tuple(2 * one / two for one, two in times))

    @property
    def scaling(self) -> float:
        return statistics.median(self.scalings)

    @property
    def scales(self) -> bool:
        """Whether a parallel figure would mean anything here, now."""
        return self.scaling >= LEAST_SCALING

    def describe(self) -> str:
        each = ", ".join(f"{value:.2f}" for value in self.scalings)
        text = f"two processes do {self.scaling:.2f} times the work of one ({each})"
        if self.scales:
            return text
        return (
            f"{text}: less than {LEAST_SCALING:g}, so this machine has no second core to give now,"
            " and nothing that needs one is judged. Run again when it is quiet"
        )


def measure(python: Path, root: Path) -> Control:
    """Run the control; takes a few seconds.

    Raises:
        BenchError: a process failed or hung.
    """
    return Control.of([(_burn(python, root, 1), _burn(python, root, 2)) for _ in range(REPEATS)])


def _burn(python: Path, root: Path, count: int) -> float:
    """Seconds from the start of the work to its end in the last of ``count`` processes."""
    command = ["timeout", "-k", "5", f"{_TIMEOUT_SECONDS:.0f}"]
    command += [str(python), "-c", _BURNER, str(ITERATIONS)]
    processes = [
        subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            expect(process, "ready")
        started = time.perf_counter()
        for process in processes:
            go(process)
        for process in processes:
            expect(process, "done")
        return time.perf_counter() - started
    finally:
        for process in processes:
            process.terminate()
            process.communicate()


def go(process: subprocess.Popen[str]) -> None:
    """Have one that waits for a line begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def line_of(process: subprocess.Popen[str]) -> str:
    """What it says next; "" at its end."""
    assert process.stdout is not None
    return process.stdout.readline().strip()  # ends at the latest when timeout(1) does


def expect(process: subprocess.Popen[str], word: str) -> None:
    """Wait for a word. `BenchError` when it says something else."""
    line = line_of(process)
    if line != word:
        raise BenchError(f"a process of the control said {line!r}, not {word!r}")
