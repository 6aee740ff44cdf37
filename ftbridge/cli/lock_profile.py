"""`serve --profile-locks`: which locks the adapter's threads wait for, while it is served.

The locks are the adapter's own, those of `ftlocks`, and those that its code and the packages it
uses make through `threading`. The server's are left alone: they are short, and its speed is what is
being looked at. Must be entered before the adapter is imported.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from ftbridge.cli.terminal import note
from ftbridge.metrics import register, unregister
from ftbridge.metrics.locks import LockCollector
from ftlocks import Profiling, profile
from ftlocks.profiler.formats import format_of
from ftlocks.profiler.instrument import Instrumentation

DEFAULT_FILE: Final = "ftbridge-locks.html"


def read_file(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """The value of the option: a file that a report can be written to."""
    if value is None:
        return None
    path = Path(value)
    try:
        format_of(path)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path


@contextmanager
def profiled_locks(path: Path | None, title: str) -> Iterator[None]:
    """Profile locks for the length of the block and write the report at its end.

    SIGUSR1 writes it at any time. Must be entered on the main thread.
    """
    if path is None:
        yield
        return
    instrumentation = Instrumentation(spare=("ftbridge",), waits=False)
    instrumentation.install()
    try:
        with profile(title=title) as run, _written_when_asked(run, path), _scraped(run):
            yield
    finally:
        instrumentation.remove()
    _write(run, path)


@contextmanager
def _scraped(run: Profiling) -> Iterator[None]:
    """With the figures in `--metrics`, if there is such an endpoint."""
    collector = LockCollector(run)
    register(collector)
    try:
        yield
    finally:
        unregister(collector)


@contextmanager
def _written_when_asked(run: Profiling, path: Path) -> Iterator[None]:
    # A signal handler may interrupt any line, so it only leaves word; SimpleQueue.put is reentrant.
    asked: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def write() -> None:
        while asked.get():
            _write(run, path)

    def handle(_number: int, _frame: FrameType | None) -> None:
        asked.put(True)

    writer = threading.Thread(target=write, name="ftbridge-lock-report", daemon=True)
    writer.start()
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
        asked.put(False)
        writer.join()


def _write(run: Profiling, path: Path) -> None:
    report = run.report()
    try:
        report.write(path)
    except OSError as error:
        note(f"Cannot write the lock report {path}: {error.strerror or error}")
        return
    first = report.locks[0] if report.locks and report.locks[0].waiting_ns else None
    found = "nobody waited" if first is None else f"{first.share:.0%} of all waiting: {first.label}"
    note(f"Lock report: {path} ({found})")
