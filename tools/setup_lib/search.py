"""The order in which interpreters are looked for, and the choice of the GIL twin.

Decides only; starting candidates, building and downloading are done elsewhere.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .build import ensure_built, find_built, source_version_of
from .errors import SetupError
from .interpreters import Interpreter, UnsuitableError, on_path, probe, require
from .recipe import Recipe
from .uv import install_with_uv

if TYPE_CHECKING:
    from .layout import Layout
    from .runner import Runner

# The newest first: 3.14t has the specialising interpreter again.
PATH_NAMES = ("python3.14t", "python3.13t")
UV_REQUEST = "3.13t"


def find_free_threaded(layout: Layout, runner: Runner, *, rebuild: bool = False) -> Interpreter:
    """A free-threaded interpreter: named, on PATH, built before, by uv, or built now.

    ``FTBRIDGE_PYTHON`` is an order: when it does not fit, that is an error. ``FTBRIDGE_PGO`` asks
    for an interpreter that only a build of ours is, so PATH and uv are passed over. ``rebuild``
    builds in any case. Raises ``SetupError``.
    """
    recipe = Recipe(free_threaded=True, pgo=layout.pgo)
    if layout.python:
        return _named(layout)
    if rebuild:
        return ensure_built(layout, recipe, runner, again=True)
    if not layout.pgo:
        found = _first_on_path(layout, runner)
        if found is not None:
            return found
    found = find_built(layout, recipe)
    if found is None and not layout.pgo:
        found = install_with_uv(UV_REQUEST, layout, runner, free_threaded=True)
    if found is None:
        found = ensure_built(layout, recipe, runner)
    return found


def find_twin(
    interpreter: Interpreter, layout: Layout, runner: Runner, *, rebuild: bool = False
) -> Interpreter:
    """The interpreter with the GIL to compare ``interpreter`` with.

    For our own build: the same source and flags. For others: the same version beside it, on PATH or
    by uv; only then a build of ours, with a line that says how it differs. Raises ``SetupError``.
    """
    if interpreter.origin == "built":
        recipe = Recipe(free_threaded=False, pgo="-pgo-" in interpreter.build)
        version = source_version_of(interpreter, layout)
        return ensure_built(layout, recipe, runner, source_version=version, again=rebuild)
    found = _same_version(interpreter, layout)
    if found is None and interpreter.origin == "uv":
        found = install_with_uv(interpreter.version_text, layout, runner, free_threaded=False)
    if found is None:
        found = ensure_built(layout, Recipe(free_threaded=False, pgo=False), runner, again=rebuild)
        runner.console.say(
            f"the GIL twin is {found.label}, of another build than {interpreter.label}: "
            "comparisons between them compare the builds, too"
        )
    return found


def resolve_named(layout: Layout) -> Path:
    """The file that ``FTBRIDGE_PYTHON`` names: a path, or a command on PATH."""
    if "/" in layout.python:
        return Path(layout.python).absolute()
    found = shutil.which(layout.python, path=layout.search_path)
    if found is None:
        raise SetupError(
            f"FTBRIDGE_PYTHON={layout.python} is not a command on PATH: set it to the path of a "
            "free-threaded CPython, or unset it"
        )
    return Path(found)


def _named(layout: Layout) -> Interpreter:
    try:
        return require(probe(resolve_named(layout), origin="named"), free_threaded=True)
    except UnsuitableError as error:
        raise SetupError(
            f"FTBRIDGE_PYTHON={layout.python} {error}: set it to a free-threaded CPython 3.13 or "
            "later, or unset it"
        ) from None


def _first_on_path(layout: Layout, runner: Runner) -> Interpreter | None:
    for name in PATH_NAMES:
        for candidate in on_path(name, layout.search_path, excluded=layout.root):
            try:
                return require(probe(candidate, origin="path"), free_threaded=True)
            except UnsuitableError as error:
                runner.console.say(f"passing over {candidate}: it {error}")
    return None


def _same_version(interpreter: Interpreter, layout: Layout) -> Interpreter | None:
    name = f"python{interpreter.version[0]}.{interpreter.version[1]}"
    beside = interpreter.path.parent / name
    for candidate in (beside, *on_path(name, layout.search_path, excluded=layout.root)):
        try:
            found = require(probe(candidate, origin="path"), free_threaded=False)
        except UnsuitableError:
            continue
        if found.version == interpreter.version:
            return found
    return None
