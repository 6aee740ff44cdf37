"""Where in a program something happened: a call stack, noted in a microsecond and read later.

A site is a flat tuple, innermost frame first: code object, instruction, code object, instruction,
... Lines, names and files are worked out when somebody asks, once for each site, not when it is
noted. Must never keep a frame: that would keep the program's objects alive.
"""

import sys
from functools import lru_cache
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

type Site = tuple[Any, ...]

# Frames of this package that may stand between the program and `capture`; noted in addition, so
# that the program's part is as deep as was asked for. Seen: 4.
_OWN_FRAMES: Final = 5

_PACKAGE: Final = __name__.partition(".")[0]
_OWN_FOLDER: Final = str(PurePath(__file__).parent) + "/"

# Modules through which a program takes a lock without naming it: the call site a person wants to
# see is the first one outside of them. The stack has them all.
_ALWAYS_THROUGH: Final = ("threading.py", "queue.py", "contextlib.py")
_THROUGH: Final = (
    *_ALWAYS_THROUGH,
    "logging/__init__.py",
    "concurrent/futures/_base.py",
    "concurrent/futures/thread.py",
)


class Frame(NamedTuple):
    """One line of a call stack. `function` is the qualified name."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.function} ({short(self.file)}:{self.line})"


def short(path: str) -> str:
    """A file's name; with its folder where there are many of that name."""
    pure = PurePath(path)
    return f"{pure.parent.name}/{pure.name}" if pure.stem == "__init__" else pure.name


def capture(depth: int) -> Site:
    """The calling thread's innermost `depth` frames, those of this package not counted."""
    frame: FrameType | None = sys._getframe(1)
    found: list[Any] = []
    left = depth + _OWN_FRAMES
    while frame is not None and left:
        found.append(frame.f_code)
        found.append(frame.f_lasti)
        frame = frame.f_back
        left -= 1
    return tuple(found)


def key_of(site: Site) -> tuple[int, ...]:
    """The same for the same place, and quick to hash: a code object hashes all its bytecode."""
    return tuple([id(part) if type(part) is CodeType else part for part in site])


@lru_cache(maxsize=65536)
def line_of(code: CodeType, instruction: int) -> int:
    """The line of an instruction, given as its offset in bytes."""
    for start, end, line in code.co_lines():
        if start <= instruction < end:
            return line or code.co_firstlineno
    return code.co_firstlineno


def frames(site: Site | None, depth: int | None = None) -> tuple[Frame, ...]:
    """A site as a person reads it, innermost first, without this package's own frames."""
    if not site:
        return ()
    found = [
        Frame(code.co_qualname, code.co_filename, line_of(code, instruction))
        for code, instruction in zip(site[::2], site[1::2], strict=True)
        if not is_own(code.co_filename) and code.co_filename != "<frozen runpy>"
    ]
    return tuple(found[:depth])


def is_own(path: str) -> bool:
    """Whether a source file is this package's."""
    return path.startswith(_OWN_FOLDER)


def call_site(stack: tuple[Frame, ...]) -> Frame | None:
    """The frame that a person would call the place: the first outside the standard primitives."""
    for passed in (_THROUGH, _ALWAYS_THROUGH):
        for frame in stack:
            # Their threads begin in `threading`, which nobody would call the place.
            if not frame.file.endswith(passed):
                return frame
    return stack[0] if stack else None
