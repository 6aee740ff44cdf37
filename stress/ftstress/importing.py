"""The import hook: modules whose names match come in rewritten, all others as ever.

Only how their code is made is replaced; finding, locking and executing stay the import system's
own, so that concurrent imports are as safe as they are without, and no frame of this module is in a
traceback. Must never touch ``__pycache__``.
"""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ftstress import cache

# The instrument itself, and what it stands on.
_NEVER = frozenset(
    {"ftstress", "ftlocks", "threading", "_thread", "weakref", "importlib", "builtins"}
)


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return cache.rewritten(self.get_data(path), path)


def rewriting_loader(name: str, path: str) -> SourceFileLoader:
    """Of a source file whose code is to tell of its accesses."""
    return _Loader(name, path)


class _Finder(MetaPathFinder):
    def __init__(self, wanted: Callable[[str, str], bool]) -> None:
        self.wanted = wanted
        self.loaded: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in _NEVER:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        # A loader of another kind (an archive, an extension, somebody else's hook) is left alone.
        if spec is None or type(spec.loader) is not SourceFileLoader or spec.origin is None:
            return None
        if not self.wanted(fullname, spec.origin):
            return None
        spec.loader = _Loader(fullname, spec.origin)
        spec.cached = None
        self.loaded.append(fullname)
        return spec


class Instrumented:
    """Modules that an `instrument()` is in charge of.

    Args:
        names: what has been rewritten up to now.
        too_late: modules that match, but had been imported before: nothing inside them is seen.
    """

    def __init__(self, finder: _Finder, too_late: list[str]) -> None:
        self._finder = finder
        self.too_late = too_late

    @property
    def names(self) -> list[str]:
        return list(self._finder.loaded)

    def remove(self) -> None:
        """Import further modules as they are; those that were rewritten stay so."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self._finder]


def instrument(patterns: str | Iterable[str] = (), *, under: Iterable[Path] = ()) -> Instrumented:
    """Rewrite, from now on, modules that are imported and match.

    Args:
        patterns: of full module names, in the manner of `fnmatch`; ``app`` is that module and all
            inside it, ``app.*`` only what is inside.
        under: folders whose modules match whatever their names are.

    Raises:
        ValueError: nothing is asked for, or an empty pattern.
    """
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    folders = [folder.resolve() for folder in under]
    if not wanted and not folders:
        raise ValueError("instrument() needs a pattern of module names, such as 'app' or 'app.*'")
    if "" in wanted:
        raise ValueError(f"empty pattern in {wanted!r}: name a module, such as 'app'")

    def matches(name: str, origin: str) -> bool:
        return any(
            fnmatchcase(name, pattern) or name.startswith(f"{pattern}.") for pattern in wanted
        ) or any(_is_inside(origin, folder) for folder in folders)

    finder = _Finder(matches)
    too_late = [
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in _NEVER
        and name != "__main__"
        and isinstance(getattr(module, "__file__", None), str)
        and matches(name, str(module.__file__))
        and not isinstance(getattr(module, "__loader__", None), _Loader)
    ]
    sys.meta_path.insert(0, finder)
    return Instrumented(finder, too_late)


def _is_inside(origin: str, folder: Path) -> bool:
    path = Path(origin).resolve()
    # Somebody else's packages are not the program under test, also where they lie in its folder.
    return path.is_relative_to(folder) and "site-packages" not in path.relative_to(folder).parts


@contextmanager
def instrumented(
    patterns: str | Iterable[str] = (), *, under: Iterable[Path] = ()
) -> Iterator[Instrumented]:
    """`instrument()` for the length of a block."""
    made = instrument(patterns, under=under)
    try:
        yield made
    finally:
        made.remove()


def load_file(path: Path, name: str) -> Any:
    """Import a file, rewritten, as a new module of the given name.

    ``sys.modules`` has it under that name only while it is executed, where what looks up a class's
    module finds it.
    """
    loader = _Loader(name, str(path))
    spec = importlib.machinery.ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
    return module
