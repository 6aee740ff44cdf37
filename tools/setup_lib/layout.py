"""Where things are, and what the user asked for, read once from the environment.

The only module that reads the user's settings from environment variables; must not import other
modules of the set-up except ``errors``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Variables of the caller's shell that would change what an interpreter, pip or make does, and so
# make two runs of the same set-up differ. CC stays: without gcc it is the way to say clang.
_UNWANTED_VARIABLES = frozenset(
    {
        "PYTHON_GIL",
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONSAFEPATH",
        "PYTHONNOUSERSITE",
        "PYTHONOPTIMIZE",
        "PYTHONWARNINGS",
        "VIRTUAL_ENV",
        "__PYVENV_LAUNCHER__",
        "PIP_CONSTRAINT",
        "PIP_PREFIX",
        "PIP_REQUIREMENT",
        "PIP_ROOT",
        "PIP_TARGET",
        "PIP_USER",
        "CFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "OPT",
        "BASECFLAGS",
        "EXTRA_CFLAGS",
        "MAKEFLAGS",
        "MFLAGS",
        "MAKELEVEL",
        "DESTDIR",
    }
)


class Layout(NamedTuple):
    """Paths and wishes of one run.

    ``root`` is the checkout, ``cache`` the user's cache folder for ftbridge. ``python`` is the
    value of ``FTBRIDGE_PYTHON`` (empty: not set), ``pgo`` whether ``FTBRIDGE_PGO`` asks for an
    interpreter optimised by profile.
    """

    root: Path
    cache: Path
    python: str = ""
    pgo: bool = False
    search_path: str = os.defpath

    @property
    def interpreters(self) -> Path:
        return self.cache / "interpreters"

    @property
    def sources(self) -> Path:
        return self.cache / "sources"

    @property
    def work(self) -> Path:
        return self.cache / "work"

    @property
    def logs(self) -> Path:
        return self.cache / "logs"

    @property
    def requirements(self) -> Path:
        return self.root / "tools" / "requirements"


def read_layout(root: Path, environ: Mapping[str, str] | None = None) -> Layout:
    """The layout for the checkout at ``root``. Raises ``SetupError`` for a malformed setting."""
    environ = os.environ if environ is None else environ
    pgo = environ.get("FTBRIDGE_PGO", "")
    if pgo not in {"", "0", "1"}:
        raise SetupError(f"FTBRIDGE_PGO={pgo!r} is neither 0 nor 1: set it to 1 or unset it")
    return Layout(
        root=root,
        cache=_cache_folder(environ),
        python=environ.get("FTBRIDGE_PYTHON", ""),
        pgo=pgo == "1",
        search_path=environ.get("PATH", os.defpath),
    )


def _cache_folder(environ: Mapping[str, str]) -> Path:
    named = environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path is invalid and to be ignored.
    if named.startswith("/"):
        return Path(named) / "ftbridge"
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        try:
            home = str(Path.home())
        except RuntimeError:
            raise SetupError("there is no home folder: set XDG_CACHE_HOME to a folder") from None
    return Path(home) / ".cache" / "ftbridge"


def clean_environment(**changes: str) -> dict[str, str]:
    """A copy of the process environment for a child, without what would change its result."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED_VARIABLES}
    # Messages are matched by text when a command fails.
    kept["LC_ALL"] = "C.UTF-8"
    kept.update(changes)
    return kept


def processors() -> int:
    """How many processors this process may use, at least one."""
    return max(1, len(os.sched_getaffinity(0)))
