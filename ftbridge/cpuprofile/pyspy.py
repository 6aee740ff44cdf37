"""Runs a program under py-spy, on a build with the GIL: it cannot read a free-threaded one.

py-spy (https://github.com/benfred/py-spy) reads the interpreter's memory from outside. What it
says is turned into the same values as the sampler's own. Must never be loaded into the program.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ftbridge.cpuprofile.result import CpuProfile, CpuStack, folded
from ftlocks._sites import Frame

NAME: Final = "py-spy"
# A frame of the raw format with full names: "function (file:line)".
_FRAME: Final = re.compile(r"(?P<function>.*?) \((?P<file>.*?)(?::(?P<line>\d+))?\)$")
_THREAD: Final = re.compile(r"thread \((?P<number>[^)]*)\)(?:: (?P<name>.*))?")


class PySpyError(RuntimeError):
    """py-spy is missing or could not read the program; the text says what to do."""


def find_py_spy(python: Path) -> Path | None:
    """py-spy beside an interpreter, beside this one, or on PATH."""
    for folder in (python.parent, Path(sys.executable).parent):
        if (folder / NAME).exists():
            return folder / NAME
    found = shutil.which(NAME)
    return None if found is None else Path(found)


def run(
    python: Path,
    program: Sequence[str],
    *,
    version: str,
    rate: float,
    duration: float = 0.0,
    notes: Iterable[str] = (),
) -> CpuProfile:
    """Run `python program...` to its end, or for so many seconds, under py-spy.

    Args:
        python: an interpreter with the GIL.
        program: a script or "-m", "module", with its arguments.
        version: what the report calls the interpreter.

    Raises:
        PySpyError: py-spy is missing, may not read the program, or saw nothing.
    """
    py_spy = find_py_spy(python)
    if py_spy is None:
        raise PySpyError(f"{NAME} is not installed: pip install {NAME}, or take --sampler own")
    with tempfile.TemporaryDirectory(prefix="ftbridge-profile-") as folder:
        raw = Path(folder) / "raw"
        # Whole numbers: py-spy takes no other rates and durations.
        hertz = max(1, round(rate))
        command = [str(py_spy), "record", "--format", "raw", "--full-filenames", "--threads"]
        command += ["--rate", str(hertz), "--output", str(raw)]
        if duration:
            command += ["--duration", str(max(1, round(duration)))]
        began_ns = time.perf_counter_ns()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program
        try:
            # Its own chatter goes to standard output, where the program's belongs; not needed.
            status = subprocess.call([*command, "--", str(python), *program])
        finally:
            signal.signal(signal.SIGINT, before)
        took_ns = time.perf_counter_ns() - began_ns
        if not raw.exists():
            raise PySpyError(
                f"{NAME} ended with status {status} and no profile: it needs the right to read "
                "another process (ptrace: root, CAP_SYS_PTRACE, or kernel.yama.ptrace_scope 0). "
                "Take --sampler own"
            )
        stacks = parse(raw.read_text(errors="replace"), hertz)
    sampled = sum(stack.cpu_ns for stack in stacks)
    return CpuProfile(
        title=" ".join(program),
        sampler=NAME,
        interpreter=version,
        rate=hertz,
        duration_ns=took_ns,
        cpu_ns=sampled,
        stacks=stacks,
        notes=(
            f"each of {NAME}'s samples counts for 1/{hertz} s of a thread that was not idle; with "
            "the GIL, a thread that waits for it is mostly idle to the kernel",
            *notes,
        ),
    )


def parse(raw: str, rate: int) -> tuple[CpuStack, ...]:
    """The stacks in py-spy's raw format with threads and full file names; rate in Hz."""
    stacks = []
    # A thread has no name before `threading` is imported.
    names = {
        found["number"]: found["name"]
        for found in _THREAD.finditer(raw.replace(";", "\n"))
        if found["name"]
    }
    for line in raw.splitlines():
        path, _, count = line.rpartition(" ")
        if not path or not count.isdigit():
            continue
        thread, frames = "MainThread", []
        for part in path.split(";"):
            named = _THREAD.fullmatch(part)
            if named is not None:
                number = named["number"]
                thread = names[number] if number in names else part
            elif not part.startswith("process "):
                frames.append(_frame(part))
        if frames:
            samples = int(count)
            stacks.append(CpuStack(thread, tuple(frames), samples * 1_000_000_000 // rate, samples))
    return folded(stacks)


def _frame(text: str) -> Frame:
    found = _FRAME.fullmatch(text)
    if found is None:
        return Frame(text, "", 0)
    return Frame(found["function"], found["file"], int(found["line"] or 0))
