"""`python -m ftlocks order` and `deadlock`: the two detectors over a program that knows of neither.

What they find goes to standard error as it is found, with one line at the end. Must never change
the program's exit status.
"""

import argparse
import atexit
import sys
from typing import Any

from ftlocks.deadlock import INTERVAL_SECONDS, LONG_HOLD_SECONDS, WatchReport, watchdog
from ftlocks.order import OrderReport, check_order

COMMANDS = ("order", "deadlock")


def add_parsers(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add both commands to those of `python -m ftlocks`."""
    order = commands.add_parser(
        "order",
        help="run a program and report locks that it takes in contradictory orders",
        description="Run a program and report, although nothing blocks, the first time that locks "
        "have been taken in orders which together make a deadlock possible. The program needs no "
        "change.",
    )
    order.add_argument(
        "--strict", action="store_true", help="raise LockOrderError in the program instead"
    )
    deadlock = commands.add_parser(
        "deadlock",
        help="run a program and report threads that wait for each other for ever",
        description="Run a program and look again and again for threads that wait for each other "
        "for ever: for locks, ends of threads and results of thread pools. The program needs no "
        "change.",
    )
    deadlock.add_argument(
        "--interval",
        type=float,
        default=min(1.0, INTERVAL_SECONDS),
        metavar="SECONDS",
        help="from one look to the next (default %(default)s)",
    )
    deadlock.add_argument(
        "--break",
        dest="break_deadlocks",
        action="store_true",
        help="raise DeadlockError in the thread of each deadlock that began to wait last",
    )
    deadlock.add_argument(
        "--long-hold",
        type=float,
        default=LONG_HOLD_SECONDS,
        metavar="SECONDS",
        help="report locks that are held, and threads that starve, for so long "
        "(default %(default)s)",
    )
    for command in (order, deadlock):
        command.add_argument("-m", dest="module", action="store_true", help="run a module")
        command.add_argument("program", nargs=argparse.REMAINDER, help="what to run, its arguments")


def begin(options: argparse.Namespace) -> None:
    """Start what `options.command` asks for, until the interpreter ends.

    Raises:
        ValueError: an option makes no sense.
    """
    found: list[OrderReport | WatchReport] = []

    def tell(report: OrderReport | WatchReport) -> None:
        found.append(report)
        print(f"\n{report}", file=sys.stderr, flush=True)

    if options.command == "order":
        checker = check_order(tell, strict=options.strict)

        def end() -> None:
            checker.stop()
            orders = f"{checker.edges} pairs of locks were taken one inside the other"
            print(f"\nftlocks order: {len(found)} found; {orders}", file=sys.stderr)

    else:
        dog = watchdog(
            interval=options.interval,
            break_deadlocks=options.break_deadlocks,
            long_hold=options.long_hold,
            starvation=options.long_hold,
            on_report=tell,
        )

        def end() -> None:
            dog.stop()
            print(f"\nftlocks deadlock: {len(found)} found", file=sys.stderr)

    atexit.register(end)
