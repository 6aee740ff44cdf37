"""Modules whose source is another file's: what a test of tests takes a lock out with.

The module keeps its name, and whoever imports it gets the other source, rewritten for detectors or
not. Must never change a module that has been imported.
"""

import importlib.machinery
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

from ftstress.importing import rewriting_loader


class _Finder(MetaPathFinder):
    def __init__(self, sources: Mapping[str, Path], rewritten: bool) -> None:
        self._sources = sources
        self._loader = rewriting_loader if rewritten else SourceFileLoader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._sources:
            return None
        file = str(self._sources[fullname])
        spec = importlib.machinery.ModuleSpec(fullname, self._loader(fullname, file), origin=file)
        spec.has_location = True
        return spec


@contextmanager
def replaced(sources: Mapping[str, Path], *, rewritten: bool) -> Iterator[None]:
    """Import these modules from other files while the block lasts.

    Raises ValueError where one has been imported already.
    """
    late = sorted(name for name in sources if name in sys.modules)
    if late:
        raise ValueError(f"imported before it could be replaced: {', '.join(late)}")
    finder = _Finder(sources, rewritten)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def without(source: str, text: str, *, instead: str, which: int = 0) -> str:
    """The source with one occurrence of a text (`which`, from 0) replaced.

    Raises ValueError where there are not so many.
    """
    parts = source.split(text)
    if which >= len(parts) - 1:
        raise ValueError(f"{text!r} occurs {len(parts) - 1} times, there is no number {which}")
    return text.join(parts[: which + 1]) + instead + text.join(parts[which + 1 :])
