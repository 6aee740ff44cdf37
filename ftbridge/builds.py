"""The two interpreters of a comparison: this one and its twin of the other build.

Both must be of the same version, or what differs is not the GIL alone. Imports nothing but the
standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GIL_VARIABLE: Final = "FTBRIDGE_GIL_PYTHON"
FREE_VARIABLE: Final = "FTBRIDGE_FREE_PYTHON"

_PROBE_SECONDS: Final = 60.0  # a start from a cold disk on a busy machine
_PROBE: Final = """\
import importlib.util, json, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "optimised": "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
    "ftbridge": importlib.util.find_spec("ftbridge") is not None,
}))
"""


class BuildError(RuntimeError):
    """An interpreter is missing or not what it should be; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Build:
    """An interpreter that was asked what it is.

    Args:
        optimised: built with profile-guided optimisation.
        ftbridge: whether it has ftbridge installed.
    """

    python: Path
    version: str
    free_threaded: bool
    optimised: bool
    ftbridge: bool

    def __str__(self) -> str:
        kind = "free-threaded" if self.free_threaded else "with the GIL"
        return f"CPython {self.version} {kind}{', PGO' if self.optimised else ''}"


def probe(python: Path) -> Build:
    """Ask an interpreter what it is.

    Raises:
        BuildError: it does not run.
    """
    try:
        done = subprocess.run(
            [str(python), "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except OSError as error:
        raise BuildError(f"{python} does not run: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise BuildError(f"{python} does not answer within {_PROBE_SECONDS:g} s") from None
    if done.returncode:
        raise BuildError(f"{python} does not run: {done.stderr.strip() or 'it said nothing'}")
    try:
        return Build(python=python, **json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, TypeError, IndexError):
        raise BuildError(f"{python} is no Python that answers: {done.stdout[:200]!r}") from None


def find(
    *, free_threaded: bool, given: Path | None = None, ask: Callable[[Path], Build] = probe
) -> Build:
    """The interpreter of one of the two builds that has ftbridge.

    The given one; else this one, if it is of that build; else the one that the environment variable
    names; else that of the environment beside this one (`.venv` and `.venv-gil`, as
    `./tools/setup --gil` makes them).

    Raises:
        BuildError: there is none, or the given one is not of that build; with the way out.
    """
    option = "--python" if free_threaded else "--gil-python"
    variable = FREE_VARIABLE if free_threaded else GIL_VARIABLE
    kind = "a free-threaded build" if free_threaded else "a build with the GIL"
    way_out = f"run ./tools/setup --gil, or name one with {option} or {variable}"
    if given is None and bool(sysconfig.get_config_var("Py_GIL_DISABLED")) is free_threaded:
        return ask(Path(sys.executable))
    if given is None and variable in os.environ:
        given = Path(os.environ[variable])
    python = given or _beside(free_threaded=free_threaded)
    if python is None:
        raise BuildError(f"no {kind.removeprefix('a ')} of Python was found: {way_out}")
    build = ask(python)
    if build.free_threaded is not free_threaded:
        other = "a build with the GIL" if free_threaded else "a free-threaded build"
        raise BuildError(f"{python} is {other}, not {kind}: {way_out}")
    if not build.ftbridge:
        raise BuildError(f"{python} has no ftbridge: install it there, or {way_out}")
    return build


def _beside(*, free_threaded: bool) -> Path | None:
    own = Path(sys.prefix)
    name = own.name.removesuffix("-gil") + ("" if free_threaded else "-gil")
    python = own.with_name(name) / "bin" / "python"
    return python if python.exists() and name != own.name else None
