"""Brings the checkout to the state that a command needs, doing nothing that is already done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .environments import (
    free_threaded_environment,
    has_current_project,
    install_project,
    make_environment,
    recorded_interpreter,
    twin_environment,
)
from .locking import exclusive
from .search import find_free_threaded, find_twin
from .stdlib_tests import ensure_tests, has_tests

if TYPE_CHECKING:
    from .environments import Environment
    from .interpreters import Interpreter
    from .layout import Layout
    from .runner import Runner


def is_set_up(layout: Layout, *, twin: bool) -> bool:
    """Whether nothing is missing. Starts no process and takes no lock: the way of a second run."""
    environment = free_threaded_environment(layout)
    interpreter = recorded_interpreter(environment, layout)
    if interpreter is None or not has_current_project(environment, layout):
        return False
    if not twin:
        return True
    other = twin_environment(layout)
    return (
        recorded_interpreter(other, layout, pair=interpreter) is not None
        and has_current_project(other, layout)
        and has_tests(interpreter, layout)
    )


def set_up(
    layout: Layout, runner: Runner, *, twin: bool, fresh: bool = False, rebuild: bool = False
) -> None:
    """Makes what is missing: the free-threaded part, and with ``twin`` the GIL part after it.

    ``fresh`` makes the environments again, ``rebuild`` the interpreters, too. Safe to interrupt at
    any point and to run while another set-up runs. Raises ``SetupError``.
    """
    if is_set_up(layout, twin=twin) and not (fresh or rebuild):
        return
    with exclusive(layout.root, runner.console) as lock:
        runner.held.append(lock)
        try:
            _make_missing(layout, runner, twin=twin, fresh=fresh or rebuild, rebuild=rebuild)
        finally:
            runner.held.remove(lock)


def _make_missing(
    layout: Layout, runner: Runner, *, twin: bool, fresh: bool, rebuild: bool
) -> None:
    environment = free_threaded_environment(layout)
    interpreter = None if fresh else recorded_interpreter(environment, layout)
    if interpreter is None:
        interpreter = find_free_threaded(layout, runner, rebuild=rebuild)
        runner.console.say(f"using {interpreter.label}")
        make_environment(environment, interpreter, layout, runner)
    _refresh_project(environment, layout, runner)
    if not twin:
        return
    other = twin_environment(layout)
    if fresh or recorded_interpreter(other, layout, pair=interpreter) is None:
        partner: Interpreter = find_twin(interpreter, layout, runner, rebuild=rebuild)
        runner.console.say(f"its GIL twin: {partner.label}")
        make_environment(other, partner, layout, runner, pair=interpreter)
    _refresh_project(other, layout, runner)
    ensure_tests(interpreter, layout, runner)  # of the twin's source, too


def _refresh_project(environment: Environment, layout: Layout, runner: Runner) -> None:
    if not has_current_project(environment, layout):
        install_project(environment, layout, runner)
