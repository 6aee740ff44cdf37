"""`serve --profile-locks`: which locks the adapter's threads wait for, while it is served.

The locks are the adapter's own, those of `ftlocks`, and those that its code and the packages it
uses make through `threading`. The server's are left alone: they are short, and its speed is what is
being looked at. Must be entered before the adapter is imported.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import click

from ftbridge.cli.report_signal import report_file, written_when_asked
from ftbridge.cli.terminal import note
from ftbridge.metrics import CallMeter, register, unregister
from ftbridge.metrics.locks import LockCollector
from ftlocks import Injection, Profiling, Progress, profile
from ftlocks.profiler.formats import format_of
from ftlocks.profiler.instrument import Instrumentation
from ftlocks.profiler.table import extra, meaning
from ftlocks.profiler.whatif import injection

DEFAULT_FILE: Final = "ftbridge-locks.html"


def read_file(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """The value of `--profile-locks`: a file that a report can be written to."""
    if value is None:
        return None
    return report_file(value, format_of)


def _read_injections(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[Injection, ...]:
    kind = (parameter.name or "").removeprefix("inject_")
    try:
        return tuple(injection(value, kind) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@dataclass(frozen=True, slots=True)
class LockProfile:
    """Where the report goes, and which locks are to be slowed down."""

    path: Path
    inject: tuple[Injection, ...] = ()


class Calls:
    """Calls that have ended, as soon as there is somebody who counts them: `meter`."""

    meter: CallMeter | None = None

    def done(self) -> int:
        """How many so far, with whatever outcome."""
        figures = {} if self.meter is None else self.meter.figures()
        return sum(sum(each.outcomes.values()) for each in figures.values())


def profile_options[F: Callable[..., Any]](function: F) -> F:
    """The options about the profile, as one argument: `lock_profile`, a `LockProfile` or None."""

    @functools.wraps(function)
    def with_lock_profile(
        *args: Any,
        lock_report: Path | None,
        inject_delay: tuple[Injection, ...],
        inject_hold: tuple[Injection, ...],
        **kwargs: Any,
    ) -> Any:
        inject = inject_delay + inject_hold
        if inject and lock_report is None:
            raise click.UsageError(
                "--inject-delay and --inject-hold slow locks down for a report: add --profile-locks"
            )
        wish = None if lock_report is None else LockProfile(lock_report, inject)
        return function(*args, lock_profile=wish, **kwargs)

    decorated: Any = with_lock_profile
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast("F", decorated)


_OPTIONS: Final = (
    click.option(
        "--profile-locks",
        "lock_report",
        callback=read_file,
        is_flag=False,
        flag_value=DEFAULT_FILE,
        metavar="[FILE]",
        help="Report which locks the adapter's threads wait for: written at the end and on "
        "SIGUSR1, as its ending says (.html, .json, .txt, .pb.gz and more). "
        f"Default: {DEFAULT_FILE}.",
    ),
    click.option(
        "--inject-delay",
        callback=_read_injections,
        multiple=True,
        metavar="LOCK=TIME",
        help="With --profile-locks: make the way to a lock longer, in every other stretch of time, "
        "and report how many calls that costs. LOCK as the report names it, or a pattern of it; "
        "TIME such as 50us.",
    ),
    click.option(
        "--inject-hold",
        callback=_read_injections,
        multiple=True,
        metavar="LOCK=TIME",
        help="The same, but hold the lock longer.",
    ),
)


@contextmanager
def profiled_locks(wish: LockProfile | None, title: str) -> Iterator[Calls | None]:
    """Profile locks for the length of the block and write the report at its end.

    SIGUSR1 writes it at any time. Must be entered on the main thread.

    Gives a `Calls`, where calls have to be counted, for a meter to be put into.
    """
    if wish is None:
        yield None
        return
    path = wish.path
    calls = Calls() if wish.inject else None
    progress = None if calls is None else Progress("calls", calls.done)
    instrumentation = Instrumentation(spare=("ftbridge",), waits=False)
    instrumentation.install()
    try:
        with (
            profile(title=title, inject=wish.inject, progress=progress) as run,
            written_when_asked(lambda: _write(run, path), "ftbridge-lock-report"),
            _scraped(run),
        ):
            yield calls
    finally:
        instrumentation.remove()
    _write(run, path)


@contextmanager
def _scraped(run: Profiling) -> Iterator[None]:
    """With the figures in `--metrics`, if there is such an endpoint."""
    collector = LockCollector(run)
    register(collector)
    try:
        yield
    finally:
        unregister(collector)


def _write(run: Profiling, path: Path) -> None:
    report = run.report()
    try:
        report.write(path)
    except OSError as error:
        note(f"Cannot write the lock report {path}: {error.strerror or error}")
        return
    first = report.locks[0] if report.locks and report.locks[0].waiting_ns else None
    found = "nobody waited" if first is None else f"{first.share:.0%} of all waiting: {first.label}"
    note(f"Lock report: {path} ({found})")
    for each in report.what_if:
        note(f"What if {each.lock} {extra(each)}: {meaning(each)}")
