"""The files of reports that a running server writes, at its end and when SIGUSR1 asks for them.

Several reports may be asked for at once: each handler calls the one that was there before.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click


@contextmanager
def written_when_asked(write: Callable[[], None], name: str) -> Iterator[None]:
    """Call `write` on a thread called `name` at each SIGUSR1. Enter it on the main thread."""
    # A signal handler may interrupt any line, so it only leaves word; SimpleQueue.put is reentrant.
    asked: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def write_each() -> None:
        while asked.get():
            write()

    def handle(number: int, frame: FrameType | None) -> None:
        asked.put(True)
        if callable(before):
            before(number, frame)

    writer = threading.Thread(target=write_each, name=name, daemon=True)
    writer.start()
    before = signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
        asked.put(False)
        writer.join()


def report_file(value: str, format_of: Callable[[Path], object]) -> Path:
    """The value of an option: a file that a report can be written to.

    Args:
        format_of: raises `ValueError` for a name that no format has.

    Raises:
        click.BadParameter: no format has such a name, or there is no such folder.
    """
    path = Path(value)
    try:
        format_of(path)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path
