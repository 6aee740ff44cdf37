"""A few words about this interpreter and this installation.  Standard library only."""

from __future__ import annotations

import platform
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ftbridge.cli.arguments import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from ftbridge.rpc import Address


def interpreter_line() -> str:
    """Implementation, version and kind of build: "CPython 3.13.5, free-threaded build"."""
    kind = "free-threaded build" if sysconfig.get_config_var("Py_GIL_DISABLED") else "GIL build"
    return f"{platform.python_implementation()} {platform.python_version()}, {kind}"


def command_name() -> str:
    """How the user starts this command: the script as it was called, or `python -m ftbridge`."""
    script = Path(sys.argv[0])
    if script.name != "ftbridge":
        return f"{_shown(Path(sys.executable))} -m ftbridge"
    return _shown(script)


def with_address(command: str, address: Address) -> str:
    """`command` as it has to be typed for a server at `address`."""
    if str(address) == DEFAULT_ADDRESS:
        return f"{command_name()} {command}"
    return f"{command_name()} {command} --address {address}"


def _shown(path: Path) -> str:
    """The shortest way to write `path` here: bare when on PATH, relative when below, else whole."""
    import shutil

    found = shutil.which(path.name)
    if found is not None and Path(found) == path.absolute():
        return path.name
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
