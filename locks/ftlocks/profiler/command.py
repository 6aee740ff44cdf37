"""`python -m ftlocks profile`: runs a program under the contention profile, without an edit to it.

The report is written when the interpreter ends, after the program's threads have, or when SIGTERM
ends it. Must never change the program's exit status.
"""

import argparse
import atexit
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ftlocks import _programs
from ftlocks.profiler import formats
from ftlocks.profiler.calls import CallCounter
from ftlocks.profiler.instrument import Instrumentation
from ftlocks.profiler.programs import load_program
from ftlocks.profiler.session import DEPTH, EVENTS, SAMPLE, Profiling, profile
from ftlocks.profiler.times import seconds
from ftlocks.profiler.whatif import Progress, injection

_EXAMPLES = """\
examples:
  python -m ftlocks profile -o locks.html script.py --its own arguments
  python -m ftlocks profile -o locks.html -o locks.pb.gz -m package.module
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; its exit status ends this process by itself, 2 is for a mistaken command."""
    options = _parser().parse_args(arguments)
    if not options.program:
        _parser().error("say which program to run: a script, or -m and a module")
    if options.command in _programs.COMMANDS:
        return _watch(options)
    try:
        outputs = [Path(each) for each in options.output]
        for path in outputs:
            formats.format_of(path)
            if not path.parent.is_dir():
                raise ValueError(f"cannot write {path}: there is no folder {path.parent}")
        calls = progress = None
        if options.progress:
            calls = CallCounter(options.progress)
            progress = Progress(f"calls of {options.progress}", calls.value)
        run = profile(
            sample=options.sample,
            threshold=seconds(options.threshold) if options.threshold else 0.0,
            depth=options.depth,
            events=options.events,
            title=" ".join([*(["-m"] if options.module else []), *options.program]),
            inject=[injection(text, kind) for text, kind in options.inject],
            progress=progress,
            window=seconds(options.inject_window) if options.inject_window else 0.0,
        )
        code, module = load_program(options.program[0], module=options.module)
    except (ValueError, OSError, ImportError) as error:
        print(f"ftlocks profile: {error}", file=sys.stderr)
        return 2
    sys.argv = [module.__file__ or options.program[0], *options.program[1:]]
    _arrange_report(run, calls, outputs, table=not options.no_table)
    Instrumentation().install()
    if calls is not None:
        calls.start()
    run.start()
    sys.modules["__main__"] = module
    exec(code, module.__dict__)
    return 0


def _watch(options: argparse.Namespace) -> int:
    """Run the program under the lock-order checker or the watchdog."""
    try:
        code, module = load_program(options.program[0], module=options.module)
        Instrumentation().install()
        _programs.begin(options)
    except (ValueError, OSError, ImportError) as error:
        print(f"ftlocks {options.command}: {error}", file=sys.stderr)
        return 2
    sys.argv = [module.__file__ or options.program[0], *options.program[1:]]
    sys.modules["__main__"] = module
    exec(code, module.__dict__)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ftlocks")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "profile",
        help="run a program and report which locks its threads waited for",
        description="Run a program and report which locks its threads waited for, where, and who "
        "held them meanwhile. The program needs no change: the locks that it makes through "
        "threading, queue, concurrent.futures or any package in Python are profiled.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    endings = ", ".join(ending for ending, _ in formats.FORMATS.values())
    command.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FILE",
        help=f"write a report; the ending says the format: {endings}. May be given several times",
    )
    command.add_argument("--no-table", action="store_true", help="no table on standard error")
    command.add_argument(
        "--sample",
        type=int,
        default=SAMPLE,
        metavar="N",
        help=f"time one uncontended hold in N (default {SAMPLE}); 1 times all",
    )
    command.add_argument(
        "--threshold",
        metavar="TIME",
        help="only count waits that are shorter than this, such as 10us",
    )
    command.add_argument("--depth", type=int, default=DEPTH, metavar="N", help="frames of a stack")
    command.add_argument(
        "--events",
        type=int,
        default=EVENTS,
        metavar="N",
        help="stretches of time to keep for each thread's timeline",
    )
    what_if = command.add_argument_group(
        "what if",
        "Slow locks down in windows of time that alternate with undisturbed ones, and report how "
        "much less is done for each microsecond. LOCK is a lock's name or the place where it was "
        "made, as the report names them, or a pattern of these. May be given several times.",
    )
    for kind, what in (
        ("delay", "before each attempt to take LOCK"),
        ("hold", "while LOCK is held, after each acquisition"),
    ):
        what_if.add_argument(
            f"--inject-{kind}",
            dest="inject",
            action="append",
            type=lambda text, kind=kind: (text, kind),  # type: ignore[misc]
            default=[],
            metavar="LOCK=TIME",
            help=f"extra time {what}, such as ledger=50us",
        )
    what_if.add_argument(
        "--progress",
        metavar="FUNCTION",
        help="count the calls of this function that have returned, such as handle, Shop.sell or "
        "shop.Shop.sell, instead of each lock's own acquisitions",
    )
    what_if.add_argument(
        "--inject-window",
        metavar="TIME",
        help="length of each window, such as 50ms (default: what it takes)",
    )
    command.add_argument("-m", dest="module", action="store_true", help="run a module")
    command.add_argument("program", nargs=argparse.REMAINDER, help="what to run, its arguments")
    _programs.add_parsers(commands)
    return parser


def _arrange_report(
    run: Profiling, calls: CallCounter | None, outputs: list[Path], *, table: bool
) -> None:
    """Have the report written at the end: registered first, so run last of all."""
    process = os.getpid()

    def write() -> None:
        if os.getpid() != process:
            return  # a child of a fork, whose report this is not
        run.stop()
        if calls is not None:
            calls.stop()
        report = run.report()
        try:
            sys.stdout.flush()
        except (OSError, ValueError, RuntimeError):
            pass  # gone, closed, or just being written to by what the signal interrupted
        if table:
            print(f"\n{report.table()}", file=sys.stderr)
        for path in outputs:
            try:
                report.write(path)
                print(f"ftlocks profile: wrote {path}", file=sys.stderr)
            except OSError as error:
                print(f"ftlocks profile: cannot write {path}: {error}", file=sys.stderr)

    def terminated(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            write()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    atexit.register(write)
    signal.signal(signal.SIGTERM, terminated)
