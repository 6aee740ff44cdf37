"""``ftstress objects``: check objects for linearizability, and show the history that fails.

Exit status: 0 every history was explained, 1 one was not, 2 wrong usage, or a run that proves
nothing because the GIL was on. With --replay: 0 when every run failed as saved, 1 when one did not.
"""

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ftstress import drawing, object_schedules, objects, targets
from ftstress.control import UncontrolledError
from ftstress.litmus_command import shows, worst
from ftstress.object_tests import planned
from ftstress.progress import Progress
from ftstress.schedule import ReplayDivergedError
from ftstress.sequential import ModelError

_ERRORS: Final = (
    *(OSError, ImportError, SyntaxError, ValueError, ModelError),
    *(UncontrolledError, ReplayDivergedError),
)


def add_objects(parser: argparse.ArgumentParser) -> None:
    """The arguments of `objects`."""
    parser.description = (
        "Run random histories of object tests in parallel and check that they are linearizable. "
        "Exit status: 0 all are, 1 one is not, 2 wrong usage or no pass (the GIL was on)."
    )
    parser.add_argument(
        "targets",
        metavar="TARGET",
        nargs="*",
        help="FILE.py or MODULE for all tests in it, FILE.py:CLASS or MODULE:CLASS for one",
    )
    parser.add_argument("--time", type=float, metavar="SECONDS", help="for each test (default: 1)")
    parser.add_argument("--count", type=int, help="histories of each test at most")
    parser.add_argument("--seed", type=int, default=0, help="of scripts and timings (default: 0)")
    parser.add_argument("--no-chaos", action="store_true", help="no delays at the edges of locks")
    parser.add_argument(
        "--patience",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="threads that have not returned by then are stuck (default: 20)",
    )
    parser.add_argument(
        "--explore",
        type=int,
        metavar="N",
        help="instead: look through N schedules of each of --scripts histories",
    )
    parser.add_argument("--scripts", type=int, default=20, help="with --explore (default: 20)")
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
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run a saved history again")
    parser.add_argument("--times", type=int, default=1, help="with --replay (default: 1)")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the failing history there")
    parser.add_argument("--json", action="store_true", help="results as JSON, on stdout")
    parser.set_defaults(execute=_objects)


def _objects(options: argparse.Namespace) -> int:
    try:
        if options.replay is not None:
            return _replay(options)
        if not options.targets:
            raise ValueError("name a TARGET, such as tests.py:QueueTest, or a file to --replay")
        tests = [
            (target, test)
            for target in options.targets
            for test in targets.classes(target, objects.ObjectTest)
        ]
        for _, test in tests:
            planned(test)
        if options.explore is not None:
            return _explore(tests, options)
        results = [_run(test, options) for _, test in tests]
        failures = [each.failure for each in results if each.failure is not None]
        if options.svg is not None and failures:
            drawings = [drawing.svg(each.history, each.verdict) for each in failures]
            options.svg.write_text("\n".join(drawings), "utf-8")
    except _ERRORS as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([data(result) for result in results], indent=2, default=repr))
    else:
        print("\n\n".join(text(result) for result in results))
        print(f"\n{objects.NOT_PROVED}")
    return worst(result.status for result in results)


def _run(test: type[objects.ObjectTest], options: argparse.Namespace) -> objects.ObjectResult:
    progress = Progress()
    result = objects.run(
        test,
        seconds=1.0 if options.time is None and options.count is None else options.time,
        count=options.count,
        seed=options.seed,
        chaos=not options.no_chaos,
        patience=options.patience,
        progress=shows(progress, "histories", test.__qualname__),
    )
    progress.clear()
    return result


def text(result: objects.ObjectResult) -> str:
    """A result for people."""
    head = f"{result.test}: {result.summary}" if result.summary else result.test
    parts = [head, ""]
    failure = result.failure
    if failure is not None:
        calls = sum(map(len, failure.script))
        first = sum(map(len, failure.first))
        parts += [drawing.text(failure.history), "", drawing.explanation(failure.verdict)]
        if calls < first:
            parts.append(f"It takes {calls} of the {first} calls of the first history that failed.")
        parts.append("")
    parts.append(
        f"{result.histories:,} histories of {result.scripts:,} scripts, {result.operations:,} "
        f"operations in {result.seconds:.1f} s on {result.interpreter}; seed {result.seed}"
    )
    if failure is not None:
        parts.append("NOT LINEARIZABLE")
    elif result.status:
        parts.append("NO PASS: the GIL was on, so that no two threads ran at the same moment")
    else:
        parts.append("passed: every history is linearizable")
    return "\n".join(parts)


def data(result: objects.ObjectResult) -> dict[str, Any]:
    """A result for programs; JSON can hold it once arguments and results are written as text."""
    failure = result.failure
    found: dict[str, Any] = {
        **{name: getattr(result, name) for name in result.__slots__ if name != "failure"},
        "status": result.status,
        "failure": None,
        "not_proved": objects.NOT_PROVED,
    }
    if failure is not None:
        found["failure"] = {
            "history": [_operation(each) for each in failure.history],
            "recorded": [_operation(each) for each in failure.recorded],
            "script": [[str(call) for call in thread] for thread in failure.script],
            "drawing": drawing.text(failure.history),
            "explanation": drawing.explanation(failure.verdict),
        }
    return found


def _operation(operation: Any) -> dict[str, Any]:
    return {**asdict(operation), "text": str(operation)}


def _explore(tests: list[tuple[str, type[objects.ObjectTest]]], options: argparse.Namespace) -> int:
    if options.output is not None and len(tests) > 1:
        raise ValueError(f"--output holds one history, and these are {len(tests)} tests: name one")
    found = []
    progress = Progress()
    for target, test in tests:
        for name in (*test.modules, *options.modules):
            importlib.import_module(name.removesuffix(".*"))
        result = object_schedules.explored(
            test,
            scripts=options.scripts,
            iterations=options.explore,
            seed=options.seed,
            modules=tuple(options.modules),
            progress=shows(progress, "schedules", test.__qualname__),
            target=f"{targets.split(target)[0]}:{test.__qualname__}",
        )
        progress.clear()
        found.append(result)
        if result.failure is not None and options.output is not None:
            options.output.write_text(result.saved, "utf-8")
    if options.json:
        shown = [
            {
                "test": each.test,
                "scripts": each.scripts,
                "runs": each.runs,
                "failure": None if each.failure is None else str(each.failure.failure),
                "saved": each.saved,
            }
            for each in found
        ]
        print(json.dumps(shown, indent=2))
    else:
        for each in found:
            print(_explored(each, options.output))
    return 1 if any(each.failure is not None for each in found) else 0


def _explored(result: object_schedules.Explored, output: Path | None) -> str:
    runs = (
        f"{result.runs:,} schedules of {result.scripts} histories in {result.seconds:.1f} s, "
        f"seed {result.seed}"
    )
    if result.failure is None:
        return f"{result.test}: every history is linearizable\n{runs}\n{objects.NOT_PROVED}"
    again = f"again: python -m ftstress objects --replay {output}" if output else ""
    again = again or "--output FILE saves the history with its schedule"
    return f"{result.test}: NOT LINEARIZABLE\n{runs}\n{result.failure}\n{again}"


def _replay(options: argparse.Namespace) -> int:
    saved = object_schedules.load(options.replay)
    target = options.targets[0] if options.targets else saved.target
    (test,) = targets.classes(target, objects.ObjectTest)
    for name in test.modules:
        importlib.import_module(name.removesuffix(".*"))
    outcome = saved.replay(test, times=options.times)
    print(outcome.table)
    print(f"{outcome.reproduced} of {outcome.times} runs failed as saved")
    return 0 if outcome.is_same else 1
