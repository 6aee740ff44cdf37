"""Frames and stacks, and which of them are machinery rather than the program's own.

A stack is kept as code objects and instruction numbers, innermost first, and becomes lines when
somebody asks. Must never keep a frame.
"""

import concurrent.futures
import concurrent.futures.thread
import queue
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

import ftlocks

Stack = tuple[tuple[CodeType, int], ...]

# Frames kept: enough to see who called whom, few enough to be kept for each access.
LIMIT: Final = 8
_OWN: Final = str(Path(__file__).parent) + "/"
_MACHINERY: Final = (
    _OWN,
    str(Path(ftlocks.__file__).parent) + "/",
    threading.__file__,
    queue.__file__,
    str(Path(concurrent.futures.__file__).parent) + "/",
    "<frozen ",
)
Frame = tuple[str, int, str]  # file, line, qualified name of the function


def is_machinery(filename: str) -> bool:
    """Whether a file is this package's, or implements a primitive."""
    return filename.startswith(_MACHINERY)


def stack() -> Stack:
    """Who called into this package."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    found = []
    for _ in range(LIMIT):
        if frame is None:
            break
        found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def line_of(code: CodeType, instruction: int) -> int:
    """The line of an instruction."""
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def lines_of(found: Stack) -> list[Frame]:
    """The program's own frames, innermost first."""
    return [
        (code.co_filename, line_of(code, instruction), code.co_qualname)
        for code, instruction in found
        if not is_machinery(code.co_filename)
    ]
