"""From the name of an adapter on the command line to its class.

Must never create an instance, and must leave judging the class to the host.
"""

import difflib
import importlib
import os
import sys
from types import ModuleType
from typing import Final

from ftbridge.adapters.base import BaseAdapter
from ftbridge.adapters.errors import AdapterLoadError
from ftbridge.adapters.threaded import ThreadSafeAdapter
from ftbridge.compat import imports, names

# Modules of the base classes, which an adapter's module imports but does not offer.
_BASES: Final = frozenset({BaseAdapter.__module__, ThreadSafeAdapter.__module__})


def load_adapter(spec: str) -> type[BaseAdapter]:
    """Import the adapter class ``pkg.mod.Class`` or ``pkg.mod:Class``.

    The current folder is searched too, as ``python -m`` does, so that an adapter in a file beside
    the shell's prompt is found. From now on `snakepit_bridge` means ftbridge in this process, so
    that adapters written for it load unedited (`ftbridge.compat.imports` says how far that goes).

    Raises:
        AdapterLoadError: the text, the module or the class is not right; names what is, and the
            nearest name where there is one. When the module itself raised, that is the cause.
    """
    module_name, separator, class_name = spec.partition(":")
    if not separator:
        module_name, _, class_name = spec.rpartition(".")
    if not module_name or not class_name.isidentifier():
        raise AdapterLoadError(
            spec,
            f"{spec!r} does not name an adapter: write package.module.Class or "
            "package.module:Class",
        )
    try:
        imports.install()
    except ValueError as exc:
        raise AdapterLoadError(spec, str(exc)) from exc
    module = _import(spec, module_name)
    found = getattr(module, class_name, None)
    if found is None:
        adapters = [
            name
            for name, value in vars(module).items()
            if _is_adapter(value) and value.__module__ not in _BASES
        ]
        near = difflib.get_close_matches(class_name, adapters or dir(module), n=1)
        offer = f"; did you mean {near[0]!r}?" if near else ""
        has = f" It defines: {', '.join(sorted(adapters))}." if adapters else ""
        raise AdapterLoadError(spec, f"module {module_name!r} has no {class_name!r}{offer}{has}")
    if not _is_adapter(found):
        raise AdapterLoadError(
            spec,
            f"{module_name}.{class_name} is not an adapter class: {_why(found)}",
        )
    adapter: type[BaseAdapter] = found
    return adapter


def _is_adapter(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseAdapter)


def _why(found: object) -> str:
    bases = found.__mro__ if isinstance(found, type) else ()
    if any(base.__module__.partition(".")[0] == names.PACKAGE for base in bases):
        return (
            f"it derives from the {names.PACKAGE} that is installed here, which was imported "
            f"before ftbridge could stand in for it or is asked for by {imports.MODE_VARIABLE}"
        )
    return "derive it from ftbridge.BaseAdapter or ftbridge.ThreadSafeAdapter"


def _import(spec: str, module_name: str) -> ModuleType:
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        missing = exc.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise AdapterLoadError(
                spec,
                f"there is no module {missing!r}: is it installed in this environment, or is the "
                "folder that holds it on PYTHONPATH?",
            ) from exc
        raise AdapterLoadError(
            spec, f"{module_name} needs the module {missing!r}, which is not installed here"
        ) from exc
    except (Exception, SystemExit) as exc:  # a script without a `__main__` guard exits
        raise AdapterLoadError(
            spec, f"importing {module_name} failed: {type(exc).__name__}: {exc}"
        ) from exc
