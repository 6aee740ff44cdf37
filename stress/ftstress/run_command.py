"""``ftstress run``: a program, an adapter or a server, with the race detector on.

Exit status: 0 clean, 1 findings, 2 for wrong usage and for a run that proves nothing.
"""

import argparse
import sys
from pathlib import Path

from ftstress import reports, served
from ftstress.findings import Report
from ftstress.programs import Program, run_for
from ftstress.progress import Progress
from ftstress.suppressions import Suppression, SuppressionError, load


def add_run(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`."""
    parser.description = (
        "Run a Python program and report its races. Its own code and that of modules in its "
        "folder is looked into. Or serve an adapter, or take a server that runs, and call every "
        "tool beside every other. Exit status: 0 clean, 1 findings, 2 wrong usage, or a run that "
        "proves nothing (the GIL was on, the program failed, nothing was seen)."
    )
    parser.add_argument(
        "--detect",
        choices=["races", "none"],
        default="races",
        help="what to look for; 'none': at an adapter's answers only",
    )
    parser.add_argument(
        "--instrument",
        metavar="PATTERN",
        action="append",
        default=[],
        help="look into these modules too: a name, or a pattern as 'app.*'; may be repeated",
    )
    parser.add_argument("--suppress", metavar="FILE", type=Path, help="TOML file of benign races")
    parser.add_argument(
        "--time",
        metavar="SECONDS",
        type=_seconds,
        help="run a program again, or call on, until so much time is over (default: a program "
        "once, an adapter 15 seconds)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="of `random` in a program's first run (each further run takes the next number), or "
        "of the calls to an adapter",
    )
    parser.add_argument("--calls", type=int, help="adapter, address: calls to make at most")
    parser.add_argument(
        "--serialize", action="store_true", help="adapter: serve it one call at a time"
    )
    add_report_options(parser)
    parser.add_argument("-m", dest="is_module", action="store_true", help="the target is a module")
    parser.add_argument(
        "target",
        help="Python file to run as __main__, with -m a module; an adapter (MODULE:CLASS); a "
        "server (HOST:PORT)",
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's own arguments")
    parser.set_defaults(execute=_run)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """`--format`, `--output` and `--json`, for `tell`."""
    parser.add_argument(
        "--format",
        choices=reports.FORMATS,
        help="of the report on stdout; with --output, of the file if its name does not tell",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        action="append",
        type=Path,
        default=[],
        help="write the report there too (.json, .sarif, .xml, .html, .txt); may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="the same as --format json")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"seconds must be at least 0, got {text}")
    return value


def _run(options: argparse.Namespace) -> int:
    try:
        check_outputs(options)
        report = _report(options)
        tell(report, options)
    except (OSError, SyntaxError, ImportError, ValueError, SuppressionError) as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    return report.status


def _report(options: argparse.Namespace) -> Report:
    suppressions = load(options.suppress) if options.suppress else []
    progress = Progress()
    try:
        if not options.is_module and not Path(options.target).is_file():
            report = _served(options, suppressions, progress)
            if report is not None:
                return report
        return _program(options, suppressions, progress)
    finally:
        progress.clear()


def _program(
    options: argparse.Namespace, suppressions: list[Suppression], progress: Progress
) -> Report:
    for name, given in (
        ("--detect none", options.detect == "none"),
        ("--calls", options.calls is not None),
        ("--serialize", options.serialize),
    ):
        if given:
            raise ValueError(f"{name} is for adapters and servers, not for {options.target}")
    program = Program(
        options.target, options.is_module, options.arguments, options.instrument, suppressions
    )

    def show(runs: int, report: Report) -> None:
        (part,) = report.explored
        progress.count(
            runs, "runs", f"{part.operations:,} accesses, {len(report.findings)} findings"
        )

    return run_for(program, options.time or 0.0, options.seed, show)


def _served(
    options: argparse.Namespace, suppressions: list[Suppression], progress: Progress
) -> Report | None:
    """The report on an adapter or a server; None where the target is neither."""

    def show(what: str, calls: int) -> None:
        progress.count(calls, "calls", what)

    bounds = {"seed": options.seed, "seconds": options.time, "calls": options.calls}
    if served.is_address(options.target):
        return served.address_report(options.target, progress=show, **bounds)
    if served.is_adapter(options.target):
        return served.adapter_report(
            options.target,
            patterns=options.instrument,
            suppressed=suppressions,
            detect=options.detect == "races",
            serialize=options.serialize,
            progress=show,
            **bounds,
        )
    return None


def check_outputs(options: argparse.Namespace) -> None:
    """Raise ValueError before anything is run if a report could not be written in the end."""
    for path in options.output:
        if options.format is None or len(options.output) > 1:
            reports.format_of(path)


def tell(report: Report, options: argparse.Namespace) -> None:
    """Write the report where the options say.

    As text it goes to stderr: stdout is the program's own, and a machine's when it asks for a
    format. Raises OSError where a file cannot be written.
    """
    form = "json" if options.json else options.format
    for path in options.output:
        one = len(options.output) == 1 and form is not None
        path.write_text(
            reports.render(report, form if one else reports.format_of(path)), encoding="utf-8"
        )
    if form is None or (options.output and not options.json):
        print(reports.render(report, "text"), file=sys.stderr)
    else:
        print(reports.render(report, form).rstrip("\n"))
