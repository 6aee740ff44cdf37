"""``ftstress run``: a program with the race detector on.

Exit status: 0 clean, 1 races found, 2 for wrong usage and for a run that proves nothing.
"""

import argparse
import json
import sys
from pathlib import Path

from ftstress.detection import run_file
from ftstress.suppressions import SuppressionError, load


def add_run(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`."""
    parser.description = (
        "Run a Python file and report its races. Its own code and that of modules in its folder "
        "is looked into. Exit status: 0 clean, 1 races found, 2 wrong usage, or a run that "
        "proves nothing (the GIL was on, the program failed, nothing was seen)."
    )
    parser.add_argument("--detect", choices=["races"], default="races", help="what to look for")
    parser.add_argument(
        "--instrument",
        metavar="PATTERN",
        action="append",
        default=[],
        help="look into these modules too: a name, or a pattern as 'app.*'; may be repeated",
    )
    parser.add_argument("--suppress", metavar="FILE", type=Path, help="TOML file of benign races")
    parser.add_argument("--json", action="store_true", help="report as JSON, on stdout")
    parser.add_argument("target", type=Path, help="Python file to run as __main__")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's own arguments")
    parser.set_defaults(execute=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        suppressions = load(options.suppress) if options.suppress else []
        outcome = run_file(options.target, options.arguments, options.instrument, suppressions)
    except (OSError, SyntaxError, ValueError, SuppressionError) as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(outcome.data(), indent=2, default=repr))
    else:
        print(outcome.text(), file=sys.stderr)
    return outcome.status
