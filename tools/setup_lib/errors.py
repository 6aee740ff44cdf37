"""Errors of the set-up, each one line that says what to install or do.

Kept apart so that every module can raise them; must never import another module of the set-up.
"""

from __future__ import annotations


class SetupError(Exception):
    """The set-up cannot go on; the text is one line that names the way out.

    ``log_tail`` holds the last lines of the log where a command failed, for the eye only.
    """

    def __init__(self, message: str, *, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.log_tail = log_tail


class InterruptedSetup(BaseException):
    """A signal asked the set-up to stop. Not an ``Exception``: no handler may swallow it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
