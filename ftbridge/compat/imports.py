"""`from snakepit_bridge.base_adapter import BaseAdapter, tool` gives ftbridge's classes.

Adapters written for Snakepit import its package by name. The loader of adapters installs a finder
that answers for that name, so that they run here unedited. No file of that name is installed, and
a process that merely imports ftbridge is not touched.

While adapters are loaded here, the modules that an adapter is built from are ours even where a
real Snakepit is installed or, as under its own host, on PYTHONPATH: a class derived from the other
`BaseAdapter` could not be served. The rest of a real Snakepit (its example adapters, helpers that
ftbridge has no counterpart for) is still imported from its own files. `FTBRIDGE_SNAKEPIT_IMPORTS`
changes that: `fallback` lets a real Snakepit win, `off` installs nothing.

Must never import adapters or the bridge at its head: homes are imported when a name is asked for.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Final, Literal, cast

from ftbridge.compat.names import MODULES, PACKAGE, Module

MODE_VARIABLE: Final = "FTBRIDGE_SNAKEPIT_IMPORTS"

type Mode = Literal["serve", "fallback", "off"]
_MODES: Final = ("serve", "fallback", "off")


class _Shim(ModuleType):
    """A module of the incumbent's name whose public names are looked up when asked for."""

    def __init__(self, name: str, entry: Module) -> None:
        super().__init__(name, f"Stands in for {name}; ftbridge.compat.names lists what is behind.")
        self._ftbridge_entry = entry
        self.__all__ = [*entry.offered, *_public(entry.mirrors)]
        if name == PACKAGE:
            from ftbridge import __version__

            self.__version__ = __version__

    def __getattr__(self, name: str) -> object:
        entry = self._ftbridge_entry
        home = entry.offered.get(name)
        if home is None and not name.startswith("_"):
            if name in entry.refused:
                # Not an AttributeError: `from ... import` would replace its text.
                raise ImportError(
                    f"{self.__name__}.{name} has no counterpart in ftbridge: {entry.refused[name]}",
                    name=self.__name__,
                )
            if f"{self.__name__}.{name}" in MODULES:
                return importlib.import_module(f"{self.__name__}.{name}")
            if name in _public(entry.mirrors):
                home = entry.mirrors
        if home is None:
            has = ", ".join(sorted(self.__all__)) or "nothing"
            raise AttributeError(f"{self.__name__} (ftbridge) has no {name!r}; it offers: {has}")
        value = getattr(importlib.import_module(home), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *self.__all__})


def _public(module: str) -> Sequence[str]:
    return cast("Sequence[str]", importlib.import_module(module).__all__) if module else ()


class _ShimLoader(Loader):
    """Makes the stand-in for one entry of the table."""

    def __init__(self, entry: Module) -> None:
        self._entry = entry

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Shim(spec.name, self._entry)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: names are looked up when asked for."""


class SnakepitFinder(MetaPathFinder):
    """Answers for the modules of the table, and leaves all others to the finders after it."""

    def __init__(self, mode: Mode = "serve") -> None:
        self.mode = mode

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Ours for a name of the table; None for any other, and where a real one goes first."""
        entry = MODULES.get(fullname)
        if entry is None or (entry.mirrors and find_spec(entry.mirrors) is None):
            return None
        real = _real_spec(fullname, path)
        if real is not None and (entry.yields or self.mode == "fallback"):
            return None
        spec = ModuleSpec(fullname, _ShimLoader(entry), origin="ftbridge.compat")
        if entry.package:
            # With a real one's folders behind ours, what the table does not name comes from them.
            spec.submodule_search_locations = list(
                (real.submodule_search_locations if real is not None else None) or ()
            )
        return spec


def _real_spec(fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
    spec = PathFinder.find_spec(fullname, path)
    # A folder without an __init__.py is not Snakepit: any folder of that name would do.
    return spec if spec is not None and spec.loader is not None else None


_lock: Final = threading.Lock()
_finder: SnakepitFinder | None = None


def install(mode: Mode | None = None) -> bool:
    """Have `snakepit_bridge` resolve to ftbridge in this process; whether it does now.

    Idempotent, safe from any thread. Modules that are imported already are never replaced: when a
    real `snakepit_bridge` is, nothing is installed and False is returned.

    Args:
        mode: `serve` or `fallback` or `off`, see above; None reads `FTBRIDGE_SNAKEPIT_IMPORTS`,
            whose default is `serve`.

    Raises:
        ValueError: an unknown mode.
    """
    global _finder
    chosen = mode or os.environ.get(MODE_VARIABLE, "serve")
    if chosen not in _MODES:
        raise ValueError(f"{MODE_VARIABLE}={chosen!r} is not one of {', '.join(_MODES)}")
    with _lock:
        if _finder is not None:
            return True
        loaded = sys.modules.get(PACKAGE)
        if chosen == "off" or (loaded is not None and not isinstance(loaded, _Shim)):
            return False
        _finder = SnakepitFinder(cast("Mode", chosen))
        sys.meta_path.insert(0, _finder)
        return True


def uninstall() -> None:
    """Take the finder and every module that it made out of the process again; for tests."""
    global _finder
    with _lock:
        if _finder is not None:
            sys.meta_path.remove(_finder)
            _finder = None
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
