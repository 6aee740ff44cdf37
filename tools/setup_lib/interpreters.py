"""What an interpreter is, asked of the interpreter itself, and where one may be found by name.

Nothing is believed from a file's name: each candidate is started and asked. Must not build or
download; ``search`` decides the order.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .layout import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

MINIMUM_VERSION = (3, 13)
# A cold start from a slow disk takes seconds; a version manager's wrapper may hang for good.
PROBE_TIMEOUT_SECONDS = 30.0

# Runs in the candidate; must be parsed by any Python that carries the name.
_PROBE = """
import importlib, json, sys, sysconfig
missing = []
for name in ("venv", "ensurepip", "ssl", "zlib", "ctypes"):
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "pre": sys.version_info[3] != "final",
    "implementation": sys.implementation.name,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "missing": missing,
}))
"""


class UnsuitableError(Exception):
    """A candidate cannot be used; the text says why, fit to follow the candidate's name."""


class Interpreter(NamedTuple):
    """A verified interpreter.

    ``path`` is the real executable, also where a virtual environment or a version manager's
    wrapper was asked. ``origin`` says where it came from: ``named`` (FTBRIDGE_PYTHON), ``path``,
    ``built`` or ``uv``. ``build`` is the name of our build, empty for others.
    """

    path: Path
    version: tuple[int, int, int]
    free_threaded: bool
    origin: str
    build: str = ""

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def label(self) -> str:
        """For messages, as in ``CPython 3.13.5 free-threaded (/usr/bin/python3.13t)``."""
        kind = "free-threaded" if self.free_threaded else "with the GIL"
        return f"CPython {self.version_text} {kind} ({self.path})"


def probe(path: Path, *, origin: str, build: str = "") -> Interpreter:
    """Asks the interpreter at ``path``. Raises ``UnsuitableError`` if it does not work in full."""
    try:
        done = subprocess.run(
            [os.fspath(path), "-I", "-c", _PROBE],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnsuitableError(f"does not answer within {PROBE_TIMEOUT_SECONDS:.0f} s") from None
    except OSError as error:
        raise UnsuitableError(f"cannot be started ({error.strerror})") from None
    try:
        answer = json.loads(done.stdout)
        version = tuple(answer["version"])
        free_threaded = bool(answer["free_threaded"])
        executable = Path(answer["executable"])
        missing = ", ".join(answer["missing"])
    except (ValueError, KeyError, TypeError):
        raise UnsuitableError("is not a working Python") from None
    if answer["implementation"] != "cpython":
        raise UnsuitableError(f"is {answer['implementation']}, not CPython")
    if missing:
        raise UnsuitableError(f"lacks the standard modules {missing}")
    return Interpreter(executable, version, free_threaded, origin, build)


def require(interpreter: Interpreter, *, free_threaded: bool) -> Interpreter:
    """``interpreter`` itself. Raises ``UnsuitableError`` if it is too old or of the other kind."""
    if interpreter.version < MINIMUM_VERSION:
        minimum = ".".join(map(str, MINIMUM_VERSION))
        raise UnsuitableError(f"is {interpreter.version_text}, older than {minimum}")
    if interpreter.free_threaded is not free_threaded:
        kind = "a free-threaded build" if interpreter.free_threaded else "a build with the GIL"
        raise UnsuitableError(f"is {interpreter.version_text}, {kind}")
    return interpreter


def on_path(name: str, search_path: str, *, excluded: Path) -> Iterator[Path]:
    """Every executable ``name`` on ``search_path``, in order, except below ``excluded``.

    The excluded folder is the checkout: an activated environment of ours must not become the base
    of its own successor.
    """
    for folder in search_path.split(os.pathsep):
        candidate = Path(folder or os.curdir) / name
        if not os.access(candidate, os.X_OK) or candidate.is_dir():
            continue
        if excluded.resolve() not in candidate.parent.resolve().parents:
            yield candidate
