"""What a waiting person sees: one line a step, with the time it has taken so far.

Everything goes to standard error, so that the standard output of a served or tested program stays
its own. Must not start processes.
"""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

# Without a terminal each line stays in a log: one every half minute shows life and no more.
PLAIN_INTERVAL_SECONDS = 30.0


def format_elapsed(seconds: float) -> str:
    """Minutes and seconds, as in ``1:07``."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


class Step:
    """One running step; ``tick`` is called as often as the caller likes."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._started = console.clock()
        self._shown = self._started

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return self._console.clock() - self._started

    def tick(self, detail: str = "") -> None:
        """Shows the elapsed time: redrawn on a terminal, now and then where there is none."""
        text = f"{self._title} ... {format_elapsed(self.elapsed)}"
        if self._console.is_terminal:
            self._console.redraw(f"{text}  {detail}".rstrip())
        elif self._console.clock() - self._shown >= PLAIN_INTERVAL_SECONDS:
            self._shown = self._console.clock()
            self._console.say(text)


class Console:
    """Prints steps to ``stream``; ``clock`` gives monotonic seconds."""

    def __init__(
        self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.is_terminal = self._stream.isatty()
        self._drawn = False

    def say(self, text: str) -> None:
        """One whole line."""
        self._erase()
        print(f"set-up: {text}", file=self._stream, flush=True)

    def show(self, text: str) -> None:
        """One line without the prefix, for headings and quoted output."""
        self._erase()
        print(text, file=self._stream, flush=True)

    def redraw(self, text: str) -> None:
        """Replaces the line at the cursor of a terminal."""
        width = shutil.get_terminal_size().columns
        self._stream.write("\r\x1b[K" + f"set-up: {text}"[: width - 1])
        self._stream.flush()
        self._drawn = True

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A step with its time: announced, and closed with a line when it succeeded."""
        step = Step(self, title)
        if self.is_terminal:
            step.tick()
        else:
            self.say(title)
        yield step
        self.say(f"{title}: done in {format_elapsed(step.elapsed)}")

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._drawn = False
