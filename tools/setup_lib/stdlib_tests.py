"""Keeps some of CPython's own tests, from the source that the interpreter was built from.

The interpreter is built without the test modules. The few files lie beside it in the cache:
``tests/locks/test_lock_tests.py`` runs those of locks against ftlocks, and
``tests/stress/test_rewriting.py`` those of some modules against the modules instrumented. Without
them these tests are skipped, so that nothing here may make a set-up fail.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from .build import source_for, source_version_of
from .errors import SetupError
from .locking import exclusive

if TYPE_CHECKING:
    from pathlib import Path

    from .interpreters import Interpreter
    from .layout import Layout
    from .runner import Runner

WANTED = (
    # What all of them import.
    "__init__.py",
    "support",
    # lock_tests, and the file that applies it to threading.
    "lock_tests.py",
    "test_threading.py",
    # Modules in Python whose tests are quick and need little else.
    "configdata",
    "test_configparser.py",
    "test_dataclasses",
    "test_graphlib.py",
    "test_json",
    "test_pprint.py",
    "test_shlex.py",
    "test_textwrap.py",
)
FOLDER = "stdlib-tests"


def tests_folder(interpreter: Interpreter, layout: Layout) -> Path | None:
    """Where the package ``test`` of the interpreter's source lies; None for one not built here."""
    if interpreter.origin != "built":
        return None
    return layout.cache / FOLDER / source_version_of(interpreter, layout)


def has_tests(interpreter: Interpreter, layout: Layout) -> bool:
    """Whether nothing is to be fetched for ``interpreter``."""
    folder = tests_folder(interpreter, layout)
    return folder is None or not _missing(folder)


def _missing(folder: Path) -> list[str]:
    return [name for name in WANTED if not (folder / "test" / name).exists()]


def ensure_tests(interpreter: Interpreter, layout: Layout, runner: Runner) -> None:
    """Unpacks the tests, fetching the source if it is gone; says so where that cannot be done."""
    if has_tests(interpreter, layout):
        return
    folder = tests_folder(interpreter, layout)
    assert folder is not None
    with exclusive(layout.cache / "lock", runner.console) as lock:
        if not _missing(folder):
            return
        runner.held.append(lock)
        try:
            _unpack(folder, layout, runner)
        except SetupError as error:
            runner.console.say(f"CPython's own tests will be skipped: {error}")
        finally:
            runner.held.remove(lock)


def _unpack(folder: Path, layout: Layout, runner: Runner) -> None:
    source = source_for(layout, runner, folder.name)
    incoming = folder.with_name(".incoming")
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    with runner.console.step("unpacking CPython's own tests") as step:
        runner.run_in(
            step,
            [
                *("tar", "-xf", source.original, "-C", incoming, "--no-same-owner"),
                *("--strip-components=2", "--wildcards"),  # Python-x.y.z/Lib
                *(f"*/Lib/test/{name}" for name in WANTED),
            ],
            advice=f"delete {source.folder} and run again",
        )
    # One by one, since an earlier set-up may have left fewer of them, which others are reading.
    (folder / "test").mkdir(parents=True, exist_ok=True)
    for name in _missing(folder):
        (incoming / "test" / name).rename(folder / "test" / name)
    shutil.rmtree(incoming)
