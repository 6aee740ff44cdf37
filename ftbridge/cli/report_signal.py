"""SIGUSR1 has a running server write its reports.

Several reports may be asked for at once: each handler calls the one that was there before.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


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
