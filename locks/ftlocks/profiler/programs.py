"""Loads a program so that a profiler can run it as `python program` or `python -m program` would.

Must never run any of it: the profiler begins between loading and running.
"""

import runpy
import sys
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any


def load_program(name: str, *, module: bool) -> tuple[CodeType, ModuleType]:
    """The program's code, and the module to run it in, prepared as the interpreter would.

    Args:
        name: a script's path; with `module`, a module's name.

    Raises:
        OSError, SyntaxError: the script cannot be read or compiled.
        ImportError: there is no such module, or importing its package failed.
    """
    found = ModuleType("__main__")
    values: dict[str, Any] = {"__builtins__": __builtins__, "__cached__": None}
    if module:
        # As cProfile and pdb do: there is no public way to the code of a module.
        _, spec, code = runpy._get_module_details(name)  # type: ignore[attr-defined]
        values |= {
            "__file__": spec.origin,
            "__spec__": spec,
            "__package__": spec.parent,
            "__loader__": spec.loader,
        }
    else:
        path = Path(name)
        # Compiled here so that a syntax error names the script.
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        sys.path[0] = str(path.resolve().parent)  # it was this package's caller's folder
        values |= {"__file__": str(path), "__spec__": None, "__package__": None}
    found.__dict__.update(values)
    return code, found
