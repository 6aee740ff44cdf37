"""From the name on the command line to the functions that the embedded host exposes.

Never imports the transport.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

from ftbridge.adapters.errors import InvalidToolError

from .host_tools import HostTools


class HostToolsLoadError(ValueError):
    """What ``--host-tools`` names cannot be used; says what is wrong and the way out."""


def load_host_tools(spec: str) -> HostTools:
    """The host tools that ``spec`` names.

    - ``package.module``: every function of the module under `host_tool`.
    - ``package.module:NAME``: a `HostTools`, or a mapping of names to functions.

    The current folder is searched too, as for adapters.

    Raises:
        HostToolsLoadError: no such module or name, nothing to expose in it, or a function that
            cannot be a host tool. When the module itself raised, that is the cause.
    """
    module_name, separator, name = spec.partition(":")
    if not module_name or (separator and not name.isidentifier()):
        raise HostToolsLoadError(
            f"{spec!r} names no host tools: write package.module or package.module:NAME"
        )
    here = str(Path.cwd())
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise HostToolsLoadError(
            f"{spec!r}: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error
    if separator and not hasattr(module, name):
        raise HostToolsLoadError(f"{spec!r}: module {module_name!r} has no {name!r}")
    found: object = getattr(module, name) if separator else module
    if isinstance(found, HostTools):
        return found
    tools = HostTools()
    try:
        if isinstance(found, Mapping):
            for key, function in found.items():
                tools.register(function, name=key)
        elif not separator:
            tools.register_marked(vars(module))
        else:
            raise HostToolsLoadError(
                f"{spec!r} is a {type(found).__name__}: a HostTools or a dict of names and "
                "functions is needed; a module alone gives its functions under @host_tool"
            )
    except (TypeError, ValueError, InvalidToolError) as error:
        if isinstance(error, HostToolsLoadError):
            raise
        raise HostToolsLoadError(f"{spec!r}: {error}") from error
    if not tools.tools:
        raise HostToolsLoadError(
            f"{spec!r} exposes nothing: put @host_tool on the functions that tools may call"
        )
    return tools
