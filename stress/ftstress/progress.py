"""A line on a terminal that tells how far a long run is, rewritten in place.

A plain line and no library: this package imports none. Nothing is written where nobody looks, such
as into a file or the log of a CI system. Must never be called from more than one thread.
"""

import sys
import time
from typing import Final, TextIO

# Seconds between two looks: often enough to seem alive, rarely enough to cost nothing.
_PAUSE: Final = 0.5
_WIPE: Final = "\r\x1b[K"  # to the beginning of the line, and erase it


class Progress:
    """Shows the last text it was given, at most twice a second.

    Args:
        stream: where to; sys.stderr by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._started = time.perf_counter()
        self._shown = self._started
        self._is_on = self._stream.isatty()
        self._is_dirty = False

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self._started

    def show(self, text: str) -> None:
        """Show it, unless something was shown just now."""
        now = time.perf_counter()
        if self._is_on and now - self._shown >= _PAUSE:
            self._shown = now
            self._is_dirty = True
            print(f"{_WIPE}{text}", end="", file=self._stream, flush=True)

    def count(self, number: int, what: str, more: str = "") -> None:
        """Show how many of what there were, and how many a second."""
        passed = self.seconds
        speed = f", {number / passed:,.0f}/s" if passed > 0 else ""
        self.show(f"{number:,} {what}{speed}, {passed:.0f} s{f', {more}' if more else ''}")

    def clear(self) -> None:
        """Leave the line empty for what is printed next."""
        if self._is_dirty:
            self._is_dirty = False
            print(_WIPE, end="", file=self._stream, flush=True)
