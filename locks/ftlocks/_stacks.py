"""Sites (`ftlocks._sites`) written out for a person who has to find the line.

Must never look into a frame's variables: it gets code objects and instructions only.
"""

import threading
from pathlib import PurePath
from traceback import FrameSummary, StackSummary

from ftlocks._sites import Frame, Site, call_site, frames

# Enough to tell who called a helper that locks.
DEPTH = 10

_STARTS_THREADS = threading.__file__


def place(site: Site | None) -> str:
    """The innermost line of the program, as a sentence names it: ``bank.py:12 in transfer``."""
    frame = call_site(frames(site, DEPTH))
    if frame is None:
        return "an unknown place"
    name = frame.function.rpartition("<locals>.")[2]
    return f"{PurePath(frame.file).name}:{frame.line} in {name}"


def written(site: Site | None, indent: str) -> str:
    """The stack as a traceback shows it, most recent call last, without a final newline.

    Not with the lines of `threading` that started the thread: every stack has them.
    """
    stack: list[Frame] = list(frames(site, DEPTH))
    while len(stack) > 1 and stack[-1].file == _STARTS_THREADS:
        stack.pop()
    summary = StackSummary.from_list(
        [FrameSummary(frame.file, frame.line, frame.function) for frame in reversed(stack)]
    )
    return "\n".join(indent + line for line in "".join(summary.format()).rstrip("\n").split("\n"))
