"""What the command line names: ``FILE.py``, ``MODULE``, and a class in either, ``FILE.py:Class``.

Must never instrument: a module comes in as it is.
"""

import importlib
import importlib.util
import operator
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class TargetError(ValueError):
    """It names nothing that can be run."""


def module_of(where: str) -> ModuleType:
    """Import a file by its path (it must end in ``.py``) or a module by its name.

    Raises TargetError where there is no such file, besides what importing it raises.
    """
    if not where.endswith(".py"):
        if "" not in sys.path:
            sys.path.insert(0, "")
        return importlib.import_module(where)
    path = Path(where).resolve()
    if not path.is_file():
        raise TargetError(f"there is no file {where!r}")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # as when the file is run
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def split(target: str) -> tuple[str, str]:
    """Where it is, and the name in there; "" where there is none."""
    where, colon, name = target.rpartition(":")
    return (where, name) if colon else (target, "")


def classes[T](target: str, base: type[T]) -> list[type[T]]:
    """The class that is named, or all of the kind that the module defines, in its order.

    Raises TargetError where there is none, besides what importing raises.
    """
    where, name = split(target)
    module = module_of(where)
    if name:
        try:
            found: Any = operator.attrgetter(name)(module)
        except AttributeError:
            raise TargetError(f"{where} has no {name!r}; it has {_names(module, base)}") from None
        if not (isinstance(found, type) and issubclass(found, base)):
            raise TargetError(f"{target!r} is no {base.__name__}, but {found!r}")
        return [found]
    every = defined(module, base)
    if not every:
        raise TargetError(f"{where} defines no {base.__name__}")
    return every


def defined[T](module: ModuleType, base: type[T]) -> list[type[T]]:
    """Classes of a kind that a module defines itself, in its order; not those with ``_``."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]


def _names[T](module: ModuleType, base: type[T]) -> str:
    return ", ".join(each.__qualname__ for each in defined(module, base)) or "none of the kind"
