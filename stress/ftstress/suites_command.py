"""``ftstress suites``: run the ready-made suites, all or some.

Exit status: 0 nothing found, 1 findings, 2 wrong usage, or a run that proves nothing.
"""

import argparse
import json
import sys

from ftstress.findings import Report, joined
from ftstress.suite_runs import WAYS, suite_report
from ftstress.suites import SUITES
from ftstress.targets import TargetError


def add_suites(parser: argparse.ArgumentParser) -> None:
    """The arguments of `suites`."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"all by default: {', '.join(SUITES)}"
    )
    parser.add_argument("--list", action="store_true", help="name the suites and run nothing")
    parser.add_argument("--time", type=float, default=10.0, help="seconds for each way of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--iterations", type=int, default=300, help="schedules of each scenario at most"
    )
    parser.add_argument(
        "--way",
        choices=WAYS,
        action="append",
        help="truly in parallel, under the race detector, under schedules; all three by default",
    )
    parser.add_argument("--output", metavar="FOLDER", default="", help="for schedules that fail")
    parser.add_argument("--json", action="store_true", help="report as JSON, on stdout")
    parser.set_defaults(execute=_suites)


def _suites(options: argparse.Namespace) -> int:
    if options.list:
        print("\n".join(SUITES))
        return 0
    reports: list[Report] = []
    try:
        for name in options.names or SUITES:
            report = suite_report(
                name,
                seed=options.seed,
                seconds=options.time,
                iterations=options.iterations,
                ways=tuple(options.way or WAYS),
                folder=options.output,
            )
            reports.append(report)
            if not options.json:
                print(_text(report), flush=True)
    except (TargetError, ImportError, RuntimeError) as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    whole = joined("suites", reports)
    if options.json:
        print(json.dumps(whole.data(), indent=2, default=repr))
    else:
        print("\n".join(f"NO PASS: {doubt}" for doubt in whole.doubts))
        print("\n\n".join(whole.not_proved))
    return whole.status


def _text(report: Report) -> str:
    lines = [f"{report.title}: {len(report.findings)} findings, {len(report.benign)} meant"]
    lines += [f"  {explored}" for explored in report.explored if explored.runs]
    for finding in report.findings:
        lines += ["", finding.text or f"{finding.title}\n  {finding.message}"]
        lines += [f"again: {finding.replay}"] if finding.replay else []
    return "\n".join(lines)
