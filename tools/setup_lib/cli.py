"""The commands ``tools/setup``, ``serve`` and ``test``: arguments, signals, exit status.

The one place that turns an error into a line for a person.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import interrupts
from .console import Console
from .environments import free_threaded_environment
from .errors import InterruptedSetup, SetupError
from .layout import read_layout
from .runner import Runner
from .setup import is_set_up, set_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layout import Layout

EXIT_FAILURE = 1
# Shells report a death by signal N as 128 + N; a script that asks sees the same from us.
EXIT_SIGNAL_BASE = 128


def main(root: str, arguments: Sequence[str]) -> int:
    """Runs the command named by the first argument; returns the exit status."""
    command, *rest = arguments
    console = Console()
    interrupts.install()
    runner: Runner | None = None
    try:
        layout = read_layout(Path(root))
        runner = Runner(console, layout.logs)
        return _COMMANDS[command](layout, runner, rest)
    except SetupError as error:
        return _fail(console, runner, str(error), error.log_tail)
    except OSError as error:
        return _fail(console, runner, _explain(error), ())
    except InterruptedSetup as stop:
        interrupts.restore(ignored=True)
        console.show("")
        console.say("interrupted; nothing half-made is trusted, run again to go on")
        return EXIT_SIGNAL_BASE + stop.signal_number


def _setup(layout: Layout, runner: Runner, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tools/setup",
        description="Finds or builds a free-threaded CPython and makes .venv.",
        epilog="FTBRIDGE_PYTHON names the interpreter to use; FTBRIDGE_PGO=1 builds one with "
        "profile-guided optimisation.",
    )
    parser.add_argument("--gil", action="store_true", help="make the GIL twin's .venv-gil, too")
    parser.add_argument("--fresh", action="store_true", help="make the environments again")
    parser.add_argument(
        "--rebuild", action="store_true", help="fetch and build the interpreters again, too"
    )
    parser.add_argument(
        "--lock", action="store_true", help="write tools/requirements/*.lock anew and stop"
    )
    options = parser.parse_args(arguments)
    if options.lock:
        from .relock import relock

        relock(layout, runner)
        return 0
    set_up(layout, runner, twin=options.gil, fresh=options.fresh, rebuild=options.rebuild)
    runner.console.say(f"ready: {free_threaded_environment(layout).folder / 'bin' / 'ftbridge'}")
    return 0


def _serve(layout: Layout, runner: Runner, arguments: Sequence[str]) -> int:
    if not is_set_up(layout, twin=False):
        set_up(layout, runner, twin=False)
    program = free_threaded_environment(layout).folder / "bin" / "ftbridge"
    interrupts.restore()
    os.execv(program, ["ftbridge", "serve", "--self-check", *arguments])


def _test(layout: Layout, runner: Runner, arguments: Sequence[str]) -> int:
    from .checks import run_checks

    set_up(layout, runner, twin=True)
    return run_checks(layout, runner.console, arguments)


_COMMANDS = {"setup": _setup, "serve": _serve, "test": _test}


def _explain(error: OSError) -> str:
    where = error.filename or "a file"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full at {where}: free about 1 GB, and run again"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{where} cannot be written: correct its owner or permissions, and run again"
    return f"{where}: {error.strerror or error}"


def _fail(console: Console, runner: Runner | None, line: str, tail: tuple[str, ...]) -> int:
    for quoted in tail:
        console.show(f"    {quoted}")
    if runner is not None and runner.log is not None:
        console.show(f"log: {runner.log}")
    console.show(f"set-up failed: {line}")
    sys.stderr.flush()
    return EXIT_FAILURE
