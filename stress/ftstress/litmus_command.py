"""``ftstress litmus``: run litmus tests and show what came of them.

Exit status: 0 no forbidden outcome, 1 one was seen, 2 wrong usage, or a run that proves nothing
because the GIL was on.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ftstress import litmus, targets, twins
from ftstress.control import UncontrolledError
from ftstress.exploration import Exploration, explore
from ftstress.litmus_report import data, from_data, text
from ftstress.progress import Progress
from ftstress.strategies import NondeterminismError

_ERRORS: Final = (
    *(OSError, ImportError, SyntaxError, ValueError, twins.TwinError),
    *(UncontrolledError, NondeterminismError),
)


def add_litmus(parser: argparse.ArgumentParser) -> None:
    """The arguments of `litmus`."""
    parser.description = (
        "Run litmus tests in parallel and count what comes of them. Exit status: 0 no forbidden "
        "outcome, 1 one was seen, 2 wrong usage or no pass (the GIL was on)."
    )
    parser.add_argument(
        "targets",
        metavar="TARGET",
        nargs="+",
        help="FILE.py or MODULE for all tests in it, FILE.py:CLASS or MODULE:CLASS for one",
    )
    parser.add_argument("--time", type=float, metavar="SECONDS", help="for each test (default: 1)")
    parser.add_argument("--count", type=int, help="trials of each test at most")
    parser.add_argument("--seed", type=int, default=0, help="of the timings (default: 0)")
    parser.add_argument(
        "--patience",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="a batch of trials that takes longer hangs (default: 20)",
    )
    parser.add_argument("--no-chaos", action="store_true", help="no delays at the edges of locks")
    parser.add_argument(
        "--gil-python",
        metavar="PATH",
        type=Path,
        help="interpreter with a GIL for the second column (default: that of .venv-gil)",
    )
    parser.add_argument("--no-twin", action="store_true", help="without the second column")
    parser.add_argument(
        "--explore",
        type=int,
        metavar="N",
        help="instead: look through N schedules of each test for a forbidden outcome",
    )
    parser.add_argument(
        "--modules",
        action="append",
        default=[],
        metavar="NAME",
        help="with --explore: switch in this module too; may be repeated",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="with --explore: where to save what fails"
    )
    parser.add_argument("--json", action="store_true", help="results as JSON, on stdout")
    parser.set_defaults(execute=_litmus)


def _litmus(options: argparse.Namespace) -> int:
    try:
        tests = [
            (target, test)
            for target in options.targets
            for test in targets.classes(target, litmus.Litmus)
        ]
        for _, test in tests:
            litmus.parsed(test)
        if options.explore is not None:
            return _explored(tests, options)
        results = [_beside_twin(target, test, options) for target, test in tests]
    except _ERRORS as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([data(result) for result in results], indent=2))
    else:
        print("\n\n".join(text(result) for result in results))
        print(f"\n{litmus.NOT_PROVED}")
    return worst(result.status for result in results)


def shows(progress: Progress, what: str, name: str) -> Callable[[int], None]:
    """What is told of each number to show it: so many of what, a second, in which test."""
    return lambda number: progress.count(number, what, name)


def worst(statuses: Any) -> int:
    """Of several: what was found counts more than what was not proved."""
    found = set(statuses)
    return 1 if 1 in found else max(found, default=2)


def _beside_twin(
    target: str, test: type[litmus.Litmus], options: argparse.Namespace
) -> litmus.LitmusResult:
    seconds = 1.0 if options.time is None and options.count is None else options.time
    progress = Progress()
    mine = litmus.run(
        test,
        seconds=seconds,
        count=options.count,
        seed=options.seed,
        chaos=not options.no_chaos,
        patience=options.patience,
        progress=shows(progress, "trials", test.__qualname__),
    )
    progress.clear()
    if options.no_twin or mine.gil:
        return mine
    where = targets.split(target)[0]
    python = options.gil_python or twins.find(Path(where).parent)
    if python is None:
        return _without(mine, twins.HOW_TO)
    arguments = ["litmus", f"{where}:{test.__qualname__}", "--no-twin", "--json"]
    arguments += ["--seed", str(options.seed), "--patience", str(options.patience)]
    arguments += ["--no-chaos"] if options.no_chaos else []
    arguments += [] if seconds is None else ["--time", str(seconds)]
    arguments += [] if options.count is None else ["--count", str(options.count)]
    try:
        found = twins.call(python, arguments, 60 + options.patience + 10 * mine.seconds)
    except twins.TwinError as error:
        if options.gil_python is not None:
            raise
        return _without(mine, str(error))
    return mine.beside(from_data(found[0]))


def _without(result: litmus.LitmusResult, why: str) -> litmus.LitmusResult:
    return replace(result, twin_missing=f"column missing; {why}")


def _explored(tests: list[tuple[str, type[litmus.Litmus]]], options: argparse.Namespace) -> int:
    if options.output is not None and len(tests) > 1:
        raise ValueError(f"--output holds one schedule, and these are {len(tests)} tests: name one")
    found: list[Exploration] = []
    progress = Progress()
    for target, test in tests:
        for name in (*test.modules, *options.modules):
            importlib.import_module(name.removesuffix(".*"))
        result = explore(
            test.under_schedule,
            modules=(*test.modules, *options.modules),
            progress=shows(progress, "schedules", test.__qualname__),
            iterations=options.explore,
            seed=options.seed,
            raises=False,
            save=options.output,
            target=f"{targets.split(target)[0]}:{test.__qualname__}.under_schedule",
        )
        progress.clear()
        found.append(result)
        if not options.json:
            print(result)
            if result.failure is not None:
                print(f"\n{result.failure}\n")
    if options.json:
        shown = [
            {"test": each.target, "runs": each.runs, "failure": _failure(each)} for each in found
        ]
        print(json.dumps(shown, indent=2))
    return 1 if any(each.failure is not None for each in found) else 0


def _failure(explored: Exploration) -> str | None:
    return None if explored.failure is None else str(explored.failure.failure)
