"""``ftstress measure``: the figures of workloads in this interpreter, as JSON.

`ftstress compare` runs it in turn under both builds. Exit status: 0, or 2 for wrong usage.
"""

import argparse
import json
import re
import sys
import warnings
from dataclasses import asdict
from typing import Any, Final

from ftlocks.profiler.instrument import Instrumentation
from ftstress.findings import gil_enabled
from ftstress.measuring import measure, waiting
from ftstress.workload import workloads

_GIL_WARNING: Final = re.compile(r"GIL\) has been enabled to load module '([^']+)'")


def add_measure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `measure`."""
    parser.add_argument("target", help="FILE.py or MODULE, or one workload in it: FILE.py:CLASS")
    add_measuring_options(parser)
    parser.add_argument(
        "--locks", action="store_true", help="measure the time spent waiting for locks instead"
    )
    parser.set_defaults(execute=_measure)


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """`--threads` and `--seconds`."""
    parser.add_argument(
        "--threads",
        type=_counts,
        default=(1, 2),
        metavar="N,N",
        help="numbers of threads (default: 1,2)",
    )
    parser.add_argument("--seconds", type=float, default=0.2, help="of each figure (default: 0.2)")


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(sorted({int(each) for each in text.split(",")} | {1}))
    if counts[0] < 1:
        raise argparse.ArgumentTypeError(f"numbers of threads must be at least 1, got {text}")
    return counts


def _measure(options: argparse.Namespace) -> int:
    instrumentation = Instrumentation(spare=["ftstress"], waits=False)
    if options.locks:
        instrumentation.install()
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", RuntimeWarning)
            found = workloads(options.target)
        figures: dict[str, Any] = {}
        for workload in found:
            if options.locks:
                figures[workload.__qualname__] = asdict(
                    waiting(workload, max(options.threads), options.seconds)
                )
            else:
                figures[workload.__qualname__] = [
                    asdict(measure(workload, threads, is_shared, options.seconds))
                    for threads in options.threads
                    for is_shared in ((True, False) if threads > 1 else (False,))
                ]
    except (OSError, ImportError, SyntaxError, ValueError) as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    finally:
        instrumentation.remove()
    named = [_GIL_WARNING.search(str(warning.message)) for warning in told]
    culprits = [match[1] for match in named if match is not None]
    print(json.dumps({"gil": gil_enabled(), "gil_modules": culprits, "workloads": figures}))
    return 0
