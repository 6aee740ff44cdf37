"""Runs long commands: output to the log, elapsed time to the console, stopped whole on a signal.

Every command gets a session of its own, so that a signal to the set-up ends the compiler's whole
family; ``Ctrl-C`` then reaches the set-up alone, which ends the family itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from .diagnosis import explain
from .errors import SetupError
from .interrupts import deferred
from .layout import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .console import Console, Step

TICK_SECONDS = 0.2
TERMINATE_GRACE_SECONDS = 5.0
TAIL_BYTES = 8192
TAIL_LINES = 8
KEPT_LOGS = 10


class Runner:
    """Runs the commands of one set-up and keeps their log.

    ``log`` is made with the first command, so that a run with nothing to do leaves no file.
    ``held`` are descriptors of locks that the commands must keep alive.
    """

    def __init__(self, console: Console, logs: Path) -> None:
        self.console = console
        self._logs = logs
        self._log: Path | None = None
        self.held: list[int] = []

    @property
    def log(self) -> Path | None:
        """The log file, or None while no command has run."""
        return self._log

    def run(
        self,
        title: str,
        argv: Sequence[str | os.PathLike[str]],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        advice: str = "",
        timeout: float | None = None,
    ) -> None:
        """Runs ``argv`` as one step named ``title``.

        ``timeout`` is in seconds. Raises ``SetupError`` when the command fails: with the cause
        where the log shows a known one, else with ``advice``.
        """
        with self.console.step(title) as step:
            self.run_in(
                step, argv, cwd=cwd, environment=environment, advice=advice, timeout=timeout
            )

    def run_in(
        self,
        step: Step,
        argv: Sequence[str | os.PathLike[str]],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        advice: str = "",
        timeout: float | None = None,
    ) -> None:
        """Like ``run``, inside a step that goes on."""
        log = self._open_log()
        words = [os.fspath(word) for word in argv]
        process: subprocess.Popen[bytes] | None = None
        with log.open("ab") as output:
            output.write(f"\n$ {' '.join(words)}\n".encode())
            output.flush()
            start = output.tell()
            try:
                with deferred():
                    process = subprocess.Popen(
                        words,
                        cwd=cwd,
                        env=clean_environment() if environment is None else dict(environment),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        pass_fds=tuple(self.held),
                    )
                self._wait(process, step, timeout)
            except subprocess.TimeoutExpired:
                raise SetupError(
                    f"{words[0]} was stopped after {timeout:.0f} s without an end; {advice}"
                ) from None
            except OSError as error:
                raise SetupError(f"{words[0]} cannot be started ({error.strerror})") from None
            finally:
                if process is not None:
                    with deferred():
                        _end(process)
        if process.returncode != 0:
            raise self._failure(words[0], process.returncode, start, advice)

    def output_of(self, argv: Sequence[str | os.PathLike[str]], *, timeout: float = 30.0) -> str:
        """Standard output of a short command, empty when it fails; nothing is logged."""
        try:
            done = subprocess.run(
                [os.fspath(word) for word in argv],
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.decode(errors="replace") if done.returncode == 0 else ""

    def _wait(self, process: subprocess.Popen[bytes], step: Step, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                process.wait(TICK_SECONDS)
            except subprocess.TimeoutExpired:
                if deadline is not None and time.monotonic() > deadline:
                    raise
                step.tick()
            else:
                return

    def _failure(self, command: str, status: int, start: int, advice: str) -> SetupError:
        assert self._log is not None
        size = self._log.stat().st_size
        with self._log.open("rb") as log:
            log.seek(max(start, size - TAIL_BYTES))
            text = log.read().decode(errors="replace")
        tail = tuple(line for line in text.splitlines() if line.strip())[-TAIL_LINES:]
        cause = explain(text)
        fallback = f"{command} failed (exit status {status})" + (f": {advice}" if advice else "")
        return SetupError(cause or fallback, log_tail=tail)

    def _open_log(self) -> Path:
        if self._log is None:
            self._logs.mkdir(parents=True, exist_ok=True)
            for old in sorted(self._logs.glob("setup-*.log"))[: -(KEPT_LOGS - 1)]:
                old.unlink()
            name = time.strftime(f"setup-%Y%m%d-%H%M%S-{os.getpid()}.log")
            self._log = self._logs / name
        return self._log


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the command and everything it started; nothing to do for one that has ended."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(TERMINATE_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
