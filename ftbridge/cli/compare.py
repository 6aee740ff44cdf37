"""`ftbridge compare`: a user's own code on both builds; is going free-threaded worth it?"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from ftbridge.cli.terminal import console, fail, is_terminal, note

_FORMATS: Final = (".html", ".json", ".txt")


def _threads(context: click.Context, parameter: click.Parameter, value: str | None) -> list[int]:
    if value is None:
        cores = os.process_cpu_count() or 1
        powers = [1 << n for n in range(cores.bit_length()) if 1 << n <= cores]
        return sorted({*powers, cores})
    try:
        found = sorted({int(each) for each in value.split(",")} | {1})
    except ValueError:
        raise click.BadParameter(f"numbers with commas, such as 1,2,4; got {value!r}") from None
    if found[0] < 1:
        raise click.BadParameter(f"at least 1; got {found[0]}")
    return found


def _outputs(
    context: click.Context, parameter: click.Parameter, value: tuple[Path, ...]
) -> tuple[Path, ...]:
    for path in value:
        if path.suffix not in _FORMATS:
            raise click.BadParameter(f"end {path.name!r} in {', '.join(_FORMATS)}")
        if not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}")
    return value


@click.command()
@click.argument("target", metavar="PKG.MOD:NAME")
@click.option(
    "--call",
    "calls",
    multiple=True,
    metavar="'TOOL {JSON}'",
    help="Of an adapter: a call to make in each pass; may be repeated. Default: its __examples__.",
)
@click.option(
    "--args",
    "arguments",
    multiple=True,
    metavar="JSON",
    help="Of a function: an array of arguments, or an object of named ones; may be repeated.",
)
@click.option(
    "--samples",
    "samples_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The same from a file, one a line: calls of an adapter, arguments of a function.",
)
@click.option("--serialize", is_flag=True, help="One call at a time, as serve --serialize.")
@click.option(
    "--threads",
    callback=_threads,
    metavar="N,N",
    help="Numbers of threads. Default: powers of two up to the usable cores.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.01),
    default=0.5,
    show_default=True,
    help="Of each figure.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    callback=_outputs,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write .html (with the plot), .json or .txt; may be repeated.",
)
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    help="The free-threaded interpreter. Default: this one, FTBRIDGE_FREE_PYTHON, or .venv beside "
    "this environment.",
)
@click.option(
    "--gil-python",
    type=click.Path(path_type=Path),
    help="The GIL build's. Default: this one, FTBRIDGE_GIL_PYTHON, or .venv-gil beside this "
    "environment.",
)
def compare(
    target: str,
    calls: tuple[str, ...],
    arguments: tuple[str, ...],
    samples_file: Path | None,
    serialize: bool,
    threads: list[int],
    rounds: int,
    seconds: float,
    outputs: tuple[Path, ...],
    python: Path | None,
    gil_python: Path | None,
) -> None:
    """Run an adapter's tools, or a function, on the GIL build and the free-threaded one.

    Answers whether it is worth it for this code, why it is not better, and what to change first.
    """
    from ftbridge.builds import BuildError, find
    from ftbridge.compare import measure, page, text
    from ftbridge.compare.target import Job
    from ftbridge.compare.verdict import judge
    from ftlocks.profiler.formats import write_whole
    from ftstress.machine import ControlError

    if samples_file is not None:
        lines = [line for line in samples_file.read_text().splitlines() if line.strip()]
        # Arguments begin with a bracket, a call with the tool's name.
        calls = (*calls, *[line for line in lines if line.lstrip()[0] not in "[{"])
        arguments = (*arguments, *[line for line in lines if line.lstrip()[0] in "[{"])
    job = Job(target, calls, arguments, serialize)
    try:
        free = find(free_threaded=True, given=python)
        gil = find(free_threaded=False, given=gil_python)
        with _progress() as tell:
            found = measure.compare(
                job, free, gil, threads=threads, rounds=rounds, seconds=seconds, tell=tell
            )
    except (BuildError, ControlError) as error:
        fail(str(error))
    verdict = judge(found)
    click.echo(text.render(found, verdict))
    for path in outputs:
        made = {
            ".html": lambda: page.page(found, verdict),
            ".json": lambda: text.to_json(found, verdict),
            ".txt": lambda: text.render(found, verdict) + "\n",
        }[path.suffix]()
        try:
            write_whole(path, made.encode())
        except OSError as error:
            fail(f"cannot write {path}: {error.strerror or error}")
        note(f"wrote {path}")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What is being done, on a terminal; silent elsewhere."""
    with contextlib.ExitStack() as stack:
        if not is_terminal(sys.stderr):
            yield lambda _: None
            return
        status = stack.enter_context(console(stderr=True).status("starting"))
        yield lambda doing: status.update(doing)
