"""The whole check of ``tools/test``: format, lint, types, generated code, tests on both builds.

Every section runs even when an earlier one failed, so that one run shows all there is to mend; the
exit status is 0 only when all passed. The tests on the free-threaded build come last, and pytest's
own summary is then the last line. After a failure elsewhere one more line names the sections.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from .environments import free_threaded_environment, twin_environment
from .errors import InterruptedSetup
from .interrupts import deferred
from .layout import clean_environment, processors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .console import Console
    from .layout import Layout

TYPED = ("ftbridge", "locks/ftlocks", "stress/ftstress", "tools")
# Tests start servers with threads of their own; more workers than this only disturb their timing.
MAXIMUM_WORKERS = 4
# Tests that measure the machine run without neighbours.
ALONE = "alone"
_ALONE_MARK = re.compile(rf"^\s*(?:@|pytestmark\b.*)pytest\.mark\.{ALONE}\b", re.MULTILINE)
# pytest's exit status when it collected nothing.
NO_TESTS = 5
SECTION_NAMES = ("lint", "types", "generated", "gil", "free-threaded")
# Ends a section's program that ignores SIGTERM.
STOP_GRACE_SECONDS = 30.0


class Section(NamedTuple):
    """One command of the check. ``empty_passes``: pytest may find nothing to run in it."""

    name: str
    title: str
    argv: tuple[str, ...]
    empty_passes: bool = False


def plan(layout: Layout, arguments: Sequence[str], *, only: Sequence[str] = ()) -> list[Section]:
    """The sections in order; ``arguments`` are pytest's, ``only`` keeps the sections named."""
    tools = twin_environment(layout).folder / "bin"
    # mypy takes a folder without a module for a mistake.
    typed = [name for name in TYPED if any((layout.root / name).rglob("*.py"))]
    sections = [
        Section("lint", "ruff format", (str(tools / "ruff"), "format", "--check", ".")),
        Section("lint", "ruff check", (str(tools / "ruff"), "check", ".")),
        Section("types", "mypy --strict", (str(tools / "mypy"), "--strict", *typed)),
    ]
    generator = layout.root / "tools" / "generate"
    if generator.exists():
        check = (str(generator), "--check")
        sections.append(Section("generated", "generated code is current", check))
    sections += _test_sections(
        "gil", "tests on the GIL build", twin_environment(layout).python, layout, arguments
    )
    sections += _test_sections(
        "free-threaded",
        "tests on the free-threaded build",
        free_threaded_environment(layout).python,
        layout,
        arguments,
    )
    return [section for section in sections if not only or section.name in only]


def run_checks(layout: Layout, console: Console, arguments: Sequence[str]) -> int:
    """Runs the sections that ``arguments`` ask for; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="tools/test",
        description="Sets up what is missing and runs the whole check. "
        "Arguments not known here go to pytest, on both builds.",
        allow_abbrev=False,
        add_help=True,
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=SECTION_NAMES,
        help="run this section only; may be repeated",
    )
    options, rest = parser.parse_known_args(arguments)
    sections = plan(layout, rest, only=options.only)
    failed: list[str] = []
    for section in sections:
        console.show(f"==> {section.title}")
        status = _run(section, layout.root)
        if status != 0 and not (status == NO_TESTS and section.empty_passes):
            failed.append(section.title)
    if failed and (len(failed) > 1 or failed[0] != sections[-1].title):
        console.show(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _test_sections(
    name: str, title: str, python: Path, layout: Layout, arguments: Sequence[str]
) -> list[Section]:
    # The second plugin fails a test that switches the GIL on.
    command = (str(python), "-m", "pytest", "-p", "tools.setup_lib.gil_watch")
    workers = ("-n", str(min(processors(), MAXIMUM_WORKERS)), "--dist", "loadfile")
    # With arguments a person narrows the tests, maybe to some that apply to one build only.
    narrowed = bool(arguments)
    if "-m" in arguments or not _has_alone(layout.root / "tests"):
        return [Section(name, title, (*command, *workers, *arguments), narrowed)]
    return [
        Section(
            name, f"{title}, one at a time", (*command, "-n", "0", "-m", ALONE, *arguments), True
        ),
        Section(name, title, (*command, *workers, "-m", f"not {ALONE}", *arguments), narrowed),
    ]


def _has_alone(tests: Path) -> bool:
    """Whether any test carries the marker; a look is cheaper than a second collection."""
    return any(_ALONE_MARK.search(path.read_text("utf-8")) for path in tests.rglob("test_*.py"))


def _run(section: Section, root: Path) -> int:
    """Runs one section in the foreground, so that Ctrl-C reaches pytest and it can report."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with deferred():
            process = subprocess.Popen(section.argv, cwd=root, env=_variables())
        return process.wait()
    except InterruptedSetup:
        if process is not None:
            with deferred():
                _stop(process)
        raise


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _variables() -> dict[str, str]:
    # A file already given to CI as output would otherwise get block-buffered sections out of order.
    variables = clean_environment(PYTHONUNBUFFERED="1")
    variables["LC_ALL"] = os.environ.get("LC_ALL", variables["LC_ALL"])
    return variables
