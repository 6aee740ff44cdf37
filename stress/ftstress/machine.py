"""The control before any figure of scaling: do two processes get through twice the work of one?

Two processes share no interpreter, so what they do not gain, no thread can: the machine has one
core to give, or others use it.
"""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final

from ftstress.scaling import LEAST_CONTROL

_REPEATS: Final = 3
_STEPS: Final = 3_000_000  # about a quarter of a second
_TIMEOUT: Final = 60.0
_BURNER: Final = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        pass
    print("done", flush=True)
"""


class ControlError(RuntimeError):
    """A process of the control did not do what it was told."""


@dataclass(frozen=True, slots=True)
class Control:
    """How many times one process's work two do in the same time, at each repeat."""

    scalings: tuple[float, ...]

    @property
    def scales(self) -> bool:
        """Whether a figure of scaling would mean anything here, now."""
        return statistics.median(self.scalings) >= LEAST_CONTROL

    def __str__(self) -> str:
        each = ", ".join(f"{value:.2f}" for value in self.scalings)
        median = statistics.median(self.scalings)
        text = f"control: two processes do {median:.2f} times the work of one ({each})"
        if self.scales:
            return text
        return (
            f"{text}, less than {LEAST_CONTROL:g}: this machine has no second core to give now, so "
            "there is no figure of scaling; run it again when it is quiet"
        )


def control(steps: int = _STEPS) -> Control:
    """Run it; takes a second or two. Raises ControlError."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-I", "-c", _BURNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            _expect(process, "ready")
        pairs = [(_burn(processes[:1], steps), _burn(processes, steps)) for _ in range(_REPEATS)]
        return Control(tuple(2 * one / both for one, both in pairs))
    finally:
        for process in processes:
            try:
                process.communicate(timeout=_TIMEOUT)  # closes its input, which ends it
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _burn(processes: "list[subprocess.Popen[str]]", steps: int) -> float:
    started = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{steps}\n")
        process.stdin.flush()
    for process in processes:
        _expect(process, "done")
    return time.perf_counter() - started


def _expect(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if line != word:
        raise ControlError(f"a process of the control said {line!r}, not {word!r}")
