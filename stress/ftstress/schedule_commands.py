"""``ftstress explore``, ``replay`` and ``explain``.

Exit status of `explore`: 0 when no schedule failed and no race was seen, else 1. Of `replay`: 0
when every run failed as saved, 1 when one did not. 2 for wrong usage and for what proves nothing.
"""

import argparse
import importlib
import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ftstress import reports, targets
from ftstress.control import UncontrolledError
from ftstress.conversions import report_of_exploration
from ftstress.exploration import explore, load, replay
from ftstress.progress import Progress
from ftstress.schedule import ReplayDivergedError, Schedule, ScheduleFormatError
from ftstress.strategies import (
    NAMES,
    PCT,
    BoundedDFS,
    NondeterminismError,
    Strategy,
    strategy_named,
)
from ftstress.tasks import task_name

_ERRORS: Final = (
    *(OSError, ImportError, AttributeError, ValueError),
    *(UncontrolledError, NondeterminismError, ReplayDivergedError, ScheduleFormatError),
)


def add_explore(parser: argparse.ArgumentParser) -> None:
    """The arguments of `explore`."""
    parser.add_argument("target", help="the test: FILE.py:FUNCTION or MODULE:FUNCTION")
    parser.add_argument("--strategy", choices=NAMES, default="pct")
    parser.add_argument("--iterations", type=int, default=1000, help="schedules (default: 1000)")
    parser.add_argument(
        "--time", type=float, metavar="SECONDS", help="begin no further schedule after so long"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--depth", type=int, help="pct: of the bugs to look for (default: 3)")
    parser.add_argument("--preemptions", type=int, help="dfs: at most so many (default: 2)")
    parser.add_argument(
        "--modules",
        action="append",
        default=[],
        metavar="NAME",
        help="switch in this module too, or in all of a package: 'app.*'; may be repeated",
    )
    parser.add_argument("--granularity", choices=("line", "operation"), default="operation")
    parser.add_argument("--timeouts", choices=("idle", "any"), default="idle")
    parser.add_argument("--max-steps", type=int, default=20_000, help="more are a livelock")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to save what fails")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="write a report there (.json, .sarif, .xml, .html, .txt); may be repeated",
    )
    parser.set_defaults(execute=_explore)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The arguments of `replay`."""
    parser.add_argument("file", type=Path, help="a saved schedule")
    parser.add_argument("--target", help="the test, where it is not the one that was saved")
    parser.add_argument("--times", type=int, default=1)
    parser.set_defaults(execute=_replay)


def add_explain(parser: argparse.ArgumentParser) -> None:
    """The arguments of `explain`."""
    parser.add_argument("file", type=Path, help="a saved schedule")
    parser.add_argument("--target", help="the test, where it is not the one that was saved")
    parser.set_defaults(execute=_explain)


def _explore(options: argparse.Namespace) -> int:
    try:
        forms = {path: reports.format_of(path) for path in options.report}
        strategy = _strategy(options)
        test = find(options.target)
        for name in options.modules:
            importlib.import_module(name.removesuffix(".*"))
        progress = Progress()
        found = explore(
            test,
            strategy=strategy,
            iterations=options.iterations,
            seconds=options.time,
            modules=options.modules,
            granularity=options.granularity,
            timeouts=options.timeouts,
            max_steps=options.max_steps,
            raises=False,
            save=options.output,
            target=options.target,
            progress=lambda runs: progress.count(runs, "schedules"),
        )
        again = "" if options.output is None else f"python -m ftstress replay {options.output}"
        report = report_of_exploration(found, again)
        for path, form in forms.items():
            path.write_text(reports.render(report, form), encoding="utf-8")
    except _ERRORS as error:
        return _refuse(error)
    progress.clear()
    print(found)
    if found.failure is None:
        return 1 if found.races else 0
    print()
    print(found.failure)
    if options.output is None:
        print("--output FILE saves the schedule")
    return 1


def _strategy(options: argparse.Namespace) -> Strategy:
    for option, owner in (("depth", "pct"), ("preemptions", "dfs")):
        if getattr(options, option) is not None and options.strategy != owner:
            raise ValueError(f"--{option} is for --strategy {owner}, not {options.strategy}")
    if options.depth is not None:
        return PCT(options.depth, options.seed)
    if options.preemptions is not None:
        return BoundedDFS(options.preemptions)
    return strategy_named(options.strategy, options.seed)


def _replay(options: argparse.Namespace) -> int:
    try:
        schedule, test = _saved(options)
        outcome = replay(options.file, test, times=options.times)
    except _ERRORS as error:
        return _refuse(error)
    print(outcome.table)
    print(f"{outcome.reproduced} of {outcome.times} runs failed as saved: {schedule.failure}")
    return 0 if outcome.is_same else 1


def _explain(options: argparse.Namespace) -> int:
    try:
        schedule, test = _saved(options)
    except _ERRORS as error:
        return _refuse(error)
    print(f"{schedule.target}: {schedule.failure}")
    print(f"found by {schedule.strategy} with {schedule.found_with}")
    print("switches, besides those where a thread cannot go on:")
    for decision in schedule.decisions:
        print(f"  {decision.moment}: {task_name(decision.then)} goes on. {decision.text}".rstrip())
    if not schedule.decisions:
        print("  none: it fails when nobody interferes")
    try:
        print(replay(options.file, test).table)
    except _ERRORS as error:
        return _refuse(error)
    return 0


def _saved(options: argparse.Namespace) -> tuple[Schedule, Callable[[], object]]:
    schedule = load(options.file)
    test = find(options.target or schedule.target)
    for name in schedule.settings.modules:
        importlib.import_module(name.removesuffix(".*"))
    return schedule, test


def find(target: str) -> Callable[[], object]:
    """The function that ``FILE.py:NAME`` or ``MODULE:NAME`` means.

    Raises ValueError for anything else, besides what importing it raises.
    """
    where, colon, name = target.rpartition(":")
    if not colon or not name:
        raise ValueError(f"{target!r} names no test: write FILE.py:FUNCTION or MODULE:FUNCTION")
    module = targets.module_of(where)
    found = operator.attrgetter(name)(module)
    if not callable(found):
        raise ValueError(f"{target!r} is no function: {found!r}")  # noqa: TRY004  # usage
    test: Callable[[], object] = found
    return test


def _refuse(error: BaseException) -> int:
    print(f"ftstress: {error}", file=sys.stderr)
    return 2
