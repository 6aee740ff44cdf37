"""Turns SIGINT, SIGTERM and SIGHUP into an exception, but never where it would lose a process.

An exception from a signal handler can appear between any two steps. Between the start of a command
and the note of its number that would leave an orphan, which holds the locks it inherited; such
steps run ``deferred``.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import InterruptedSetup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Signals are delivered to the main thread, the only one the set-up has: no lock is needed.
_depth = 0
_waiting: int | None = None


def install() -> None:
    """Lets the signals raise ``InterruptedSetup`` from now on."""
    for number in SIGNALS:
        signal.signal(number, _handle)


def restore(*, ignored: bool = False) -> None:
    """Gives the signals their default action, or has them ignored while a last line is printed."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)


@contextmanager
def deferred() -> Iterator[None]:
    """A signal that comes inside raises at the end of the block instead."""
    global _depth, _waiting
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
    if _depth == 0 and _waiting is not None:
        number, _waiting = _waiting, None
        raise InterruptedSetup(number)


def _handle(number: int, _frame: FrameType | None) -> None:
    global _waiting
    if _depth:
        _waiting = number
    else:
        raise InterruptedSetup(number)
