"""What an imported extension module declared about the GIL: the `Py_mod_gil` of each module object.

CPython keeps the declaration (PEP 703, `Py_mod_gil` slot or `PyUnstable_Module_SetGIL`) in the
module object and offers no way to read it back.  The guard needs it where watching alone is not
proof: several modules created at the same moment, or one imported before the guard existed.  So
this module reads that field from memory, and only after a calibration against modules whose
declaration is known; where the layout does not fit, every answer is None, "not known".

Imports ctypes, and therefore is itself imported only when such a question comes up.
Never imports anything else of ftbridge.
"""

import ctypes
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib.machinery import ExtensionFileLoader
from types import ModuleType
from typing import Final

_POINTER_SIZE: Final = ctypes.sizeof(ctypes.c_void_p)

# Fields between the object header and md_gil in PyModuleObject (Include/internal/
# pycore_moduleobject.h of 3.13 and 3.14): md_dict, md_def, md_state, md_weaklist, md_name.
_FIELDS_BEFORE_MD_GIL: Final = 5
_MD_GIL_OFFSET: Final = object.__basicsize__ + _FIELDS_BEFORE_MD_GIL * _POINTER_SIZE

# Values of the Py_mod_gil slot (Include/moduleobject.h).
_GIL_USED: Final = 0
_GIL_NOT_USED: Final = 1

# Part of every CPython, in C, declared safe; `types` stands for pure Python modules, which carry
# the default, Py_MOD_GIL_USED, and harm nobody because only extension modules are asked.
_KNOWN_NOT_USED: Final = ("sys", "builtins", "_thread", "_io", "_imp")
_KNOWN_USED: Final = ("types",)


def declares_gil_free(module: object) -> bool | None:
    """Whether an extension module declared that it runs safely without the GIL.

    None: this build of Python keeps the declaration where it cannot be read.  An extension whose
    init function returns something else than a module counts as undeclared, as in CPython.
    """
    if not isinstance(module, ModuleType):
        return False
    read = _calibrated_reader()
    return None if read is None else read(module) == _GIL_NOT_USED


def undeclared(modules: Iterable[tuple[str, object]]) -> list[str] | None:
    """Names of the extension modules among `modules` that did not declare, in the given order.

    None when the declaration cannot be read.
    """
    if _calibrated_reader() is None:
        return None
    return [
        name for name, module in modules if _is_extension(module) and not declares_gil_free(module)
    ]


def _is_extension(module: object) -> bool:
    if not isinstance(module, ModuleType):
        return False
    # Past __getattribute__: merely asking a lazily loaded module would load it.
    spec = ModuleType.__getattribute__(module, "__dict__").get("__spec__")
    return isinstance(getattr(spec, "loader", None), ExtensionFileLoader)


@cache
def _calibrated_reader() -> Callable[[ModuleType], int] | None:
    if sys.implementation.name != "cpython":
        return None
    if ModuleType.__basicsize__ < _MD_GIL_OFFSET + _POINTER_SIZE:
        return None  # no such field: a build with the GIL
    fits = all(_read(sys.modules[name]) == _GIL_NOT_USED for name in _KNOWN_NOT_USED) and all(
        _read(sys.modules[name]) == _GIL_USED for name in _KNOWN_USED
    )
    return _read if fits else None


def _read(module: ModuleType) -> int:
    return ctypes.c_size_t.from_address(id(module) + _MD_GIL_OFFSET).value
