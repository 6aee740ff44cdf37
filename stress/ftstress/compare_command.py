"""``ftstress compare``: the same suite on both builds, side by side.

Exit status: 0, 1 a forbidden outcome was seen, 2 wrong usage, or a comparison that shows nothing
(the GIL was on, the machine had no second core to give).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ftstress import targets, twins
from ftstress.findings import (
    Explored,
    Finding,
    Measurement,
    OutcomeRow,
    OutcomeTable,
    Report,
    gil_enabled,
)
from ftstress.litmus import NOT_PROVED, Litmus
from ftstress.machine import ControlError, control
from ftstress.measure_command import add_measuring_options
from ftstress.progress import Progress
from ftstress.run_command import add_report_options, check_outputs, tell
from ftstress.scaling import Loss, Series
from ftstress.workload import workloads

_TIMEOUT: Final = 300.0  # seconds for one measuring process
_FREE: Final = "free-threaded"
_GIL: Final = "with GIL"
_NOT_SHOWN: Final = (
    "Figures are of this machine, now, and of these operations in a loop; a ratio of the two "
    "builds holds where both were measured in turn. They say nothing about correctness."
)


def add_compare(parser: argparse.ArgumentParser) -> None:
    """The arguments of `compare`."""
    parser.description = (
        "Run workloads (ftstress.Workload) and litmus tests of a file on this free-threaded build "
        "and on its twin with a GIL: throughput, scaling and what it was lost to, outcomes."
    )
    parser.add_argument("target", help="FILE.py or MODULE, or one class in it: FILE.py:CLASS")
    add_measuring_options(parser)
    parser.add_argument("--rounds", type=int, default=5, help="of both builds in turn (default: 5)")
    parser.add_argument(
        "--time", type=float, default=1.0, help="seconds of each litmus test (default: 1)"
    )
    parser.add_argument(
        "--gil-python",
        metavar="PATH",
        type=Path,
        help="interpreter with a GIL (default: that of .venv-gil)",
    )
    add_report_options(parser)
    parser.set_defaults(execute=_compare)


def _compare(options: argparse.Namespace) -> int:
    try:
        check_outputs(options)
        report = _report(options)
        tell(report, options)
    except (OSError, ImportError, SyntaxError, ValueError, twins.TwinError, ControlError) as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    return report.status


def _report(options: argparse.Namespace) -> Report:
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, got {options.rounds}")
    if gil_enabled():
        raise ValueError("the GIL is on: run `compare` with a free-threaded interpreter")
    where = Path(targets.split(options.target)[0])
    twin = options.gil_python or twins.find(where.parent)
    if twin is None:
        raise ValueError(f"there is nothing to compare with: {twins.HOW_TO}")
    works, tests = _parts(options.target)
    if not works and not tests:
        raise ValueError(
            f"{options.target} has nothing to compare: neither a Workload nor a litmus test"
        )
    started = time.perf_counter()
    notes: list[str] = []
    doubts: list[str] = []
    measurements: list[Measurement] = []
    progress = Progress()
    try:
        if works:
            progress.show("control")
            # Before and after: neighbours come and go.
            before = control()
            rounds = _measured(options, twin, progress, doubts)
            after = control()
            notes += [f"before, {before}", f"after, {after}"]
            scales = before.scales and after.scales
            if not scales:
                doubts.append("this machine had no second core to give")
            for name in works:
                free, gil = (Series.of([one[name] for one in rounds[build]]) for build in (0, 1))
                measurements += _measurements(name, free, gil)
                notes += _ratios(name, free, gil, free.threads if scales else [1])
                if scales:
                    notes += _scaling(name, free, gil, options)
        tables = [
            table
            for number, test in enumerate(tests, 1)
            for table in _outcomes(test, options, twin, progress, f"{number} of {len(tests)}")
        ]
    finally:
        progress.clear()
    return Report(
        options.target,
        tuple(finding for table in tables if (finding := _forbidden(table)) is not None),
        (
            Explored(
                options.target,
                f"{options.rounds} rounds of both builds in turn",
                time.perf_counter() - started,
                runs=options.rounds,
                threads=max(options.threads),
            ),
        ),
        (_NOT_SHOWN, *((NOT_PROVED,) if tests else ())),
        tuple(doubts),
        outcomes=tuple(tables),
        measurements=tuple(measurements),
        notes=tuple(notes),
    )


def _parts(target: str) -> tuple[list[str], list[str]]:
    """Names of the workloads, and the litmus tests as targets."""
    where, name = targets.split(target)
    try:
        tests = [f"{where}:{test.__qualname__}" for test in targets.classes(target, Litmus)]
    except targets.TargetError:
        tests = []
    if name and tests:
        return [], tests
    return [work.__qualname__ for work in workloads(target)], tests


def _measured(
    options: argparse.Namespace, twin: Path, progress: Progress, doubts: list[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The figures of each round, on this build and on the other, which take turns to be first."""
    arguments = ["measure", options.target, "--seconds", str(options.seconds)]
    arguments += ["--threads", ",".join(map(str, options.threads))]
    free: list[dict[str, Any]] = []
    gil: list[dict[str, Any]] = []
    for number in range(options.rounds):
        progress.show(f"round {number + 1} of {options.rounds}")
        for is_free in (True, False) if number % 2 == 0 else (False, True):
            if is_free:
                found = twins.here(arguments, _TIMEOUT)
                _doubt_gil(found, doubts)
                free.append(found["workloads"])
            else:
                gil.append(twins.call(twin, arguments, _TIMEOUT)["workloads"])
    return free, gil


def _doubt_gil(found: dict[str, Any], doubts: list[str]) -> None:
    if found["gil"]:
        modules = ", ".join(found["gil_modules"]) or "a module"
        doubt = f"the GIL was switched on by {modules}: both builds ran one thread at a time"
        if doubt not in doubts:
            doubts.append(doubt)


def _measurements(name: str, free: Series, gil: Series) -> list[Measurement]:
    found = []
    for threads in free.threads:
        for is_shared in (True, False) if threads > 1 else (False,):
            for build, series in ((_FREE, free), (_GIL, gil)):
                rate = series.rate(threads, is_shared)
                label = f"{build}, {_variant(threads, is_shared)}"
                found.append(
                    Measurement(
                        name,
                        label,
                        build == _GIL,
                        threads,
                        rate.median,
                        rate.low,
                        rate.high,
                        "operations/s",
                    )
                )
    return found


def _variant(threads: int, is_shared: bool) -> str:
    if threads == 1:
        return "1 thread"
    return f"{threads} threads, {'one object' if is_shared else 'an object each'}"


def _ratios(name: str, free: Series, gil: Series, counts: Sequence[int]) -> list[str]:
    return [
        f"{name}, {_variant(threads, True)}: {_FREE} does "
        f"{free.over(gil, threads, True, threads):.2f} times the work of the build {_GIL}"
        for threads in counts
    ]


def _scaling(name: str, free: Series, gil: Series, options: argparse.Namespace) -> list[str]:
    notes = []
    for threads in free.threads[1:]:
        for build, series in ((_FREE, free), (_GIL, gil)):
            notes.append(
                f"{name}, {build}: {threads} threads do {series.scaling(threads, True):.2f} times "
                f"the work of one on one object, {series.scaling(threads, False):.2f} times on "
                "an object each"
            )
    most = free.threads[-1]
    if most > 1:
        where = targets.split(options.target)[0]
        arguments = ["measure", f"{where}:{name}", "--locks", "--threads", str(most)]
        found = twins.here([*arguments, "--seconds", str(options.seconds)], _TIMEOUT)
        waits = found["workloads"][name]
        loss = Loss.of(free, most, waits["share"])
        notes.append(f"{name}, {_FREE}: {loss.text([tuple(each) for each in waits['locks']])}")
    return notes


def _outcomes(
    test: str, options: argparse.Namespace, twin: Path, progress: Progress, which: str
) -> list[OutcomeTable]:
    progress.show(f"litmus test {which}: {test}")
    arguments = ["litmus", test, "--json", "--time", str(options.time), "--gil-python", str(twin)]
    return [
        OutcomeTable(
            result["test"],
            tuple(
                OutcomeRow(
                    row["outcome"], row["grade"], row["why"], row["count"], row["twin_count"]
                )
                for row in result["rows"]
            ),
        )
        for result in twins.here(arguments, _TIMEOUT)
    ]


def _forbidden(table: OutcomeTable) -> Finding | None:
    seen = [row for row in table.rows if row.grade == "forbidden" and (row.count or row.twin_count)]
    if not seen:
        return None
    told = "; ".join(
        f"{row.outcome} came {row.count:,} times {_FREE}, {row.twin_count or 0:,} times {_GIL}: "
        f"{row.meaning}"
        for row in seen
    )
    return Finding("forbidden-outcome", table.name, told, count=sum(row.count for row in seen) or 1)
