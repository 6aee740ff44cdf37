"""`ftbridge new`: a package of one's own to start from."""

from __future__ import annotations

from pathlib import Path

import click

from ftbridge.cli.terminal import fail
from ftbridge.scaffold import ScaffoldError, write_package


@click.command()
@click.argument("name")
@click.option(
    "--thread-safe",
    is_flag=True,
    help="One adapter for all requests, with locks for what they share. Default: one for each.",
)
@click.option("--streaming", is_flag=True, help="With a streaming tool.")
@click.option(
    "--dir",
    "parent",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where to make the folder NAME. Default: here.",
)
def new(name: str, thread_safe: bool, streaming: bool, parent: Path) -> None:
    """Write a new adapter package NAME: adapter, handlers, tests, README, configuration.

    It serves, passes its tests and type-checks as it is. Nothing is ever overwritten.
    """
    try:
        written = write_package(name, parent, thread_safe=thread_safe, streaming=streaming)
    except ScaffoldError as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write {parent / name}: {error.strerror or error}")
    click.echo(f"Wrote {written.folder}:")
    for file in written.files:
        click.echo(f"  {file}")
    click.echo("Next:")
    click.echo(f"  cd {written.folder}")
    click.echo("  pytest")
    click.echo(f"  ftbridge serve --adapter {written.spec} --config config.toml")
