"""``ftstress run``: a program with the race detector on.

Exit status: 0 clean, 1 races found, 2 for wrong usage and for a run that proves nothing.
"""

import argparse
import json
import sys
from pathlib import Path

from ftstress import served
from ftstress.detection import run_file
from ftstress.findings import Report
from ftstress.suppressions import Suppression, SuppressionError, load


def add_run(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`."""
    parser.description = (
        "Run a Python file and report its races. Its own code and that of modules in its folder "
        "is looked into. Exit status: 0 clean, 1 races found, 2 wrong usage, or a run that "
        "proves nothing (the GIL was on, the program failed, nothing was seen)."
    )
    parser.add_argument(
        "--detect", choices=["races", "none"], default="races", help="what to look for"
    )
    parser.add_argument(
        "--instrument",
        metavar="PATTERN",
        action="append",
        default=[],
        help="look into these modules too: a name, or a pattern as 'app.*'; may be repeated",
    )
    parser.add_argument("--suppress", metavar="FILE", type=Path, help="TOML file of benign races")
    parser.add_argument("--json", action="store_true", help="report as JSON, on stdout")
    parser.add_argument("--seed", type=int, help="adapter, address: of the calls that are made")
    parser.add_argument("--time", type=float, help="adapter, address: seconds to go on for")
    parser.add_argument("--calls", type=int, help="adapter, address: calls to make at most")
    parser.add_argument(
        "--serialize", action="store_true", help="adapter: serve it one call at a time"
    )
    parser.add_argument(
        "target",
        help="Python file to run as __main__, an adapter (MODULE:CLASS), or a server (HOST:PORT)",
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's own arguments")
    parser.set_defaults(execute=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        suppressions = load(options.suppress) if options.suppress else []
        if not Path(options.target).is_file():
            report = _served(options, suppressions)
            if report is not None:
                return _tell(report, options.json)
        outcome = run_file(
            Path(options.target), options.arguments, options.instrument, suppressions
        )
    except (OSError, SyntaxError, ValueError, SuppressionError) as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(outcome.data(), indent=2, default=repr))
    else:
        print(outcome.text(), file=sys.stderr)
    return outcome.status


def _served(options: argparse.Namespace, suppressions: list[Suppression]) -> Report | None:
    """The report on an adapter or a server; None where the target is neither."""
    bounds = {"seed": options.seed, "seconds": options.time, "calls": options.calls}
    if served.is_address(options.target):
        return served.address_report(options.target, **bounds)
    if served.is_adapter(options.target):
        return served.adapter_report(
            options.target,
            patterns=options.instrument,
            suppressed=suppressions,
            detect=options.detect == "races",
            serialize=options.serialize,
            **bounds,
        )
    return None


def _tell(report: Report, as_json: bool) -> int:
    if as_json:
        print(json.dumps(report.data(), indent=2, default=repr))
        return report.status
    parts = [
        "\n".join(
            filter(
                None,
                (f.text or f"{f.title}\n  {f.message}\n  {f.explanation}", f"again: {f.replay}"),
            )
        )
        for f in report.findings
    ]
    parts.append("\n".join([*map(str, report.explored), *(f"NO PASS: {d}" for d in report.doubts)]))
    parts += report.not_proved
    print("\n\n".join(parts), file=sys.stderr)
    return report.status
