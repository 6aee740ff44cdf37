"""`ftbridge profile --cpu`: a program's CPU time, by the sampler that can read its interpreter.

The program runs in a process of its own; its output and its exit status are this command's.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ftbridge.cli.cpu_profile import DEFAULT_FILE
from ftbridge.cli.terminal import fail, note

if TYPE_CHECKING:
    from ftbridge.cpuprofile.result import CpuProfile

SAMPLERS: Final = ("auto", "own", "py-spy", "both")
_RATE: Final = 100.0  # also the sampler's default, which is not imported for --help
_MAX_RATE: Final = 1000.0
_DIRECTORY_FILES: Final = ("cpu.svg", "cpu.speedscope.json", "cpu.collapsed", "cpu.json", "cpu.txt")
_FORMATS: Final = ("svg", "speedscope", "collapsed", "json", "table")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--cpu", is_flag=True, help="Profile CPU time; the only kind here, so not needed.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE|DIR",
    type=click.Path(path_type=Path),
    help="Where to: a file, whose ending says the format (.svg, .speedscope.json, .collapsed, "
    f".json, .txt), or a folder, which gets one of each. May be repeated. Default: {DEFAULT_FILE}.",
)
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Whatever a file's ending.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True, max=_MAX_RATE),
    default=_RATE,
    show_default=True,
    metavar="HZ",
    help="Looks a second.",
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Profile for so long, then end the program as Ctrl-C does. Default: to its end.",
)
@click.option(
    "--sampler",
    type=click.Choice(SAMPLERS),
    default="auto",
    show_default=True,
    help="own works on every build; py-spy only with the GIL, so it runs the program on the GIL "
    "twin; both runs it twice. auto is py-spy where this interpreter has the GIL and it is "
    "installed, else own.",
)
@click.option(
    "--gil-python",
    type=click.Path(path_type=Path),
    metavar="PYTHON",
    help="The GIL twin. Default: FTBRIDGE_GIL_PYTHON, or .venv-gil beside this environment.",
)
@click.option("--no-table", is_flag=True, help="No table on standard error.")
@click.option("-m", "module", is_flag=True, help="PROGRAM is a module.")
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def profile(
    context: click.Context,
    cpu: bool,
    outputs: tuple[Path, ...],
    form: str | None,
    rate: float,
    duration: float | None,
    sampler: str,
    gil_python: Path | None,
    no_table: bool,
    module: bool,
    program: str,
    arguments: tuple[str, ...],
) -> None:
    """Run PROGRAM, a script or (-m) a module, and show where its CPU time goes.

    A served adapter: ftbridge serve --profile-cpu. Locks: python -m ftlocks profile.
    """
    from ftbridge.builds import BuildError, find
    from ftbridge.cpuprofile import pyspy

    targets = _targets(outputs or (Path(DEFAULT_FILE),), form)
    command = (*(("-m",) if module else ()), program, *arguments)
    free_threaded = "t" in sys.abiflags
    own = sampler in ("own", "both")
    if sampler == "auto":
        own = free_threaded or pyspy.find_py_spy(Path(sys.executable)) is None
    found: list[tuple[str, CpuProfile]] = []
    status = 0
    try:
        if own:
            told, status = _run_own(command, rate, duration or 0.0)
            found.append(("", told))
        if not own or sampler == "both":
            twin = find(free_threaded=False, given=gil_python)
            notes = []
            if free_threaded:
                notes.append(
                    f"{pyspy.NAME} cannot read a free-threaded build: this is the same program on "
                    f"the GIL twin ({twin.python}), where threads take turns"
                )
            told = pyspy.run(
                twin.python,
                command,
                version=str(twin),
                rate=rate,
                duration=duration or 0.0,
                notes=notes,
            )
            found.append((".gil" if own else "", told))
    except (BuildError, pyspy.PySpyError) as error:
        fail(str(error))
    for suffix, told in found:
        if not no_table:
            click.echo(f"\n{told.table()}", err=True)
        for path, kind in targets:
            _write(told, _with_suffix(path, suffix), kind)
    if free_threaded and sampler == "auto":
        note(f"--sampler both runs it a second time on the GIL twin, under {pyspy.NAME}.")
    context.exit(status)


def _targets(outputs: Sequence[Path], form: str | None) -> list[tuple[Path, str]]:
    from ftbridge.cpuprofile.formats import format_of

    targets = []
    for path in outputs:
        if path.is_dir():
            targets += [(path / name, format_of(path / name)) for name in _DIRECTORY_FILES]
            continue
        try:
            targets.append((path, format_of(path, form)))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        if not path.parent.is_dir():
            raise click.UsageError(f"cannot write {path}: there is no folder {path.parent}")
    return targets


def _with_suffix(path: Path, suffix: str) -> Path:
    first, dot, rest = path.name.partition(".")
    return path.with_name(f"{first}{suffix}{dot}{rest}")


def _write(told: CpuProfile, path: Path, kind: str) -> None:
    try:
        told.write(path, kind)
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror or error}")
    note(f"wrote {path}")


def _run_own(command: Sequence[str], rate: float, duration: float) -> tuple[CpuProfile, int]:
    """The program under the sampler, in a process of its own: what it found, the exit status."""
    from ftbridge.cpuprofile.result import CpuProfile

    with tempfile.TemporaryDirectory(prefix="ftbridge-profile-") as folder:
        report = Path(folder) / "report.json"
        process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "ftbridge.cpuprofile.program", "--report", str(report)),
                *("--rate", str(rate), "--duration", str(duration)),
                *command,
            ]
        )
        # Ctrl-C reaches the program by itself; SIGTERM is handed on, so that it can write.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
        status = process.wait()
        if not report.exists():
            if status == 2:  # it has said why
                raise click.exceptions.Exit(status)
            ended = f"signal {-status}" if status < 0 else f"os._exit, status {status}"
            fail(f"no profile: {command[0]} ended without the end of its interpreter ({ended})")
        told = CpuProfile.from_dict(json.loads(report.read_text()))
    return told, 128 - status if status < 0 else status
