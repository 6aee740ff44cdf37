"""Servers under test as processes: started fresh, ended by their pid, never left behind."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError

START_SECONDS = 30.0
"""For a server to say its port: imports from a cold disk on a busy machine take seconds."""

STOP_SECONDS = 10.0
"""From SIGTERM to SIGKILL."""

_POLL_SECONDS = 0.002
_TAIL_CHARACTERS = 2000
_TICKS = os.sysconf("SC_CLK_TCK")
_KIB_IN_MIB = 1024


def lifetime(measurements: int, seconds: float) -> float:
    """Bound of the life of a server that sees so many measurements of this length: twice what they
    take, and the start. It only matters where nobody is left to end the server."""
    return 120.0 + 2 * measurements * (seconds + 2)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its port, and what the kernel counts of its processes."""

    port: int
    pid: int
    """Of the timeout(1) that bounds it; the server's processes are its descendants."""

    def pids(self) -> list[int]:
        """The server's processes, now."""
        found: list[int] = []
        waiting = _children(self.pid)
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            waiting += _children(pid)
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all its processes since they started, in steps of a tick."""
        return sum(_cpu_ticks(pid) for pid in self.pids()) / _TICKS

    def resident_mib(self) -> float:
        """RSS of all its processes together, in MiB; shared pages count for each."""
        return sum(_resident_kib(pid) for pid in self.pids()) / _KIB_IN_MIB


@functools.cache
def _bytecode() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ftbridge-bench-bytecode-")


def environment() -> dict[str, str]:
    """This process's, for servers: with compiled bytecode kept, as where they are installed.

    Where the environment forbids to write it, a start would compile every module anew, which takes
    as long as all the rest and leaves the heap larger. A folder for this run then has it.
    """
    variables = dict(os.environ)
    if variables.pop("PYTHONDONTWRITEBYTECODE", ""):
        variables["PYTHONPYCACHEPREFIX"] = _bytecode().name
    return variables


@contextmanager
def running(
    command: Sequence[str], *, name: str, root: Path, life_seconds: float
) -> Iterator[Server]:
    """Run a server that writes its port to ``--port-file``, while the block lasts.

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
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Server(_port(process, port_file, log, name), process.pid)
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


# A process may end between its listing and its reading: it then has nothing to add.


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        pass
    return found


def _cpu_ticks(pid: int) -> int:
    try:
        # The name, in brackets, may hold anything: what counts comes after the last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])  # utime and stime, proc_pid_stat(5)


def _resident_kib(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
