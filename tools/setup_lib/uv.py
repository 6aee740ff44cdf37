"""Asks uv for an interpreter, where uv is installed and reaches its source.

Quiet when it does not: building is the next way. What uv installs goes to the cache folder, so that
the user's own uv set-up is not touched.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from .errors import SetupError
from .interpreters import Interpreter, UnsuitableError, probe, require
from .layout import clean_environment
from .locking import exclusive

if TYPE_CHECKING:
    from .layout import Layout
    from .runner import Runner

# An archive of about 40 MB; past this the network is slower than a build.
INSTALL_TIMEOUT_SECONDS = 300.0


def install_with_uv(
    request: str, layout: Layout, runner: Runner, *, free_threaded: bool
) -> Interpreter | None:
    """The interpreter that ``uv python install REQUEST`` gives, or None where that fails."""
    if shutil.which("uv", path=layout.search_path) is None:
        return None
    folder = layout.cache / "uv"
    environment = clean_environment(
        UV_PYTHON_INSTALL_DIR=str(folder),
        UV_PYTHON_INSTALL_BIN="0",
        UV_NO_PROGRESS="1",
    )
    with exclusive(layout.cache / "lock", runner.console):
        found = _installed(request, layout, free_threaded=free_threaded)
        if found is not None:
            return found
        try:
            runner.run(
                f"fetching CPython {request} with uv",
                ["uv", "python", "install", request],
                environment=environment,
                timeout=INSTALL_TIMEOUT_SECONDS,
            )
        except SetupError as error:
            runner.console.say(f"uv cannot fetch CPython {request} ({error}); going on without it")
            return None
        return _installed(request, layout, free_threaded=free_threaded)


def _installed(request: str, layout: Layout, *, free_threaded: bool) -> Interpreter | None:
    """The newest matching interpreter in our uv folder. uv's folders are named by version."""
    version = request.rstrip("t")
    suffix = "t" if free_threaded else ""
    short = ".".join(version.split(".")[:2])
    for candidate in sorted(
        (layout.cache / "uv").glob(f"cpython-{version}*/bin/python{short}{suffix}"), reverse=True
    ):
        try:
            return require(probe(candidate, origin="uv"), free_threaded=free_threaded)
        except UnsuitableError:
            continue
    return None
