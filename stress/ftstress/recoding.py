"""Gives functions that were imported as they are the code of a rewritten module, for a while.

A test that is to be explored has usually been imported before anybody thought of exploring it. Its
file is compiled again, rewritten, and each function gets the code object of the same name and line.
A function keeps its code where that does not fit: an inner function that is alive already and
shares variables with others, code of a file that cannot be read or has changed. Must never leave a
function with other code than it had.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from ftstress import cache
from ftstress.rewriting import is_rewritten


class Recoded:
    """A block in which the given functions tell of their accesses."""

    def __init__(self, functions: Iterable[FunctionType]) -> None:
        self._changes: list[tuple[FunctionType, CodeType, CodeType]] = []
        files: dict[str, dict[Any, CodeType | None]] = {}
        for function in functions:
            code = function.__code__
            if is_rewritten(code) or code.co_filename.startswith("<"):
                continue
            if code.co_filename not in files:
                files[code.co_filename] = _rewritten(code.co_filename)
            found = files[code.co_filename].get(_key(code))
            if found is not None:
                self._changes.append((function, code, found))

    def __enter__(self) -> None:
        for function, _, rewritten in self._changes:
            function.__code__ = rewritten

    def __exit__(self, *exception: object) -> None:
        for function, original, _ in self._changes:
            function.__code__ = original


def _key(code: CodeType) -> Any:
    named = code.co_argcount + code.co_kwonlyargcount
    return (code.co_qualname, code.co_firstlineno, code.co_varnames[:named], code.co_freevars)


def _rewritten(filename: str) -> dict[Any, CodeType | None]:
    """A file's code objects; None for those that have the same key as another."""
    try:
        module = cache.rewritten(Path(filename).read_bytes(), filename)
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[Any, CodeType | None] = {}
    for code in _inside(module):
        key = _key(code)
        found[key] = None if key in found else code
    return found


def _inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)
