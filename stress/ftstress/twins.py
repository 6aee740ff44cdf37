"""The other build's column: the same command under an interpreter with a GIL, as a process.

Frequencies mean little alone. That an outcome comes 300 times in a million without a GIL and never
with one says where the danger is new. Must never be needed: without a twin the column is missing,
and the report says how to get it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ftlocks
import ftstress

_FOLDER: Final = ".venv-gil"
HOW_TO: Final = (
    "no interpreter with a GIL was found: name one with --gil-python, or put an environment for "
    f"it into {_FOLDER} (python3.13 -m venv {_FOLDER}) beside the tests or above"
)
# Seconds that an interpreter may take to say what it is, on a loaded machine.
_PROBE_SECONDS: Final = 30


class TwinError(RuntimeError):
    """The other interpreter cannot be used; the message says why."""


def find(near: Path) -> Path | None:
    """The Python of a `.venv-gil` in a folder, above it, or in or above the present one."""
    for start in (near.resolve(), Path.cwd()):
        for folder in (start, *start.parents):
            python = folder / _FOLDER / "bin" / "python"
            if python.is_file():
                return python
    return None


def call(python: Path, arguments: Sequence[str], seconds: float) -> Any:
    """What ``ftstress ARGUMENTS`` prints as JSON when that interpreter runs it.

    Args:
        seconds: to wait at most.

    Raises:
        TwinError: it is no Python with a GIL, the command fails, or takes longer.
    """
    # Its own packages first; ours, which are pure Python, where it has none.
    probe = "import sys; import importlib.util as u; print(sys._is_gil_enabled() if "
    probe += "sys.version_info >= (3, 13) else True, u.find_spec('ftstress') is not None)"
    environment = dict(os.environ)
    said = _run(python, ["-c", probe], environment, _PROBE_SECONDS)
    if said.returncode or said.stdout.split()[:1] != ["True"]:
        raise TwinError(
            f"{python} is no Python with a GIL: {(said.stderr or said.stdout).strip()[-200:]}"
        )
    if said.stdout.split()[1] != "True":
        ours = {str(Path(module.__path__[0]).parent) for module in (ftstress, ftlocks)}
        before = environment["PYTHONPATH"] if "PYTHONPATH" in environment else ""
        environment["PYTHONPATH"] = os.pathsep.join([*sorted(ours), *filter(None, [before])])
    return _printed(python, arguments, environment, seconds)


def here(arguments: Sequence[str], seconds: float) -> Any:
    """What ``ftstress ARGUMENTS`` prints as JSON in another process of this interpreter.

    Raises TwinError where the command fails or takes longer than so many seconds.
    """
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return _printed(Path(sys.executable), arguments, environment, seconds)


def _printed(
    python: Path, arguments: Sequence[str], environment: dict[str, str], seconds: float
) -> Any:
    done = _run(python, ["-m", "ftstress", *arguments], environment, seconds)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise TwinError(
            f"{python} -m ftstress {' '.join(arguments)}: {done.stderr.strip()[-300:]}"
        ) from None


def _run(
    python: Path, arguments: Sequence[str], environment: dict[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(python), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TwinError(f"{python}: {error}") from None
