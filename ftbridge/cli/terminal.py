"""What every command prints with: exit statuses, errors, JSON, colours only where wanted.

Imports rich only inside the functions that draw; must stay cheap, `serve` imports it.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import IO, TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from rich.console import Console

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, the shells' convention

_INDENT: Final = 2


def colours() -> bool | None:
    """click's colour setting: False where NO_COLOR is set (no-color.org), else its own choice."""
    return False if os.environ.get("NO_COLOR") else None


def fail(message: str, *, status: int = EXIT_FAILED) -> NoReturn:
    """Print `message` as an error to stderr and end the command with `status`."""
    click.secho("error: ", fg="red", bold=True, nl=False, err=True, color=colours())
    click.echo(message, err=True)
    raise click.exceptions.Exit(status)


def note(message: str) -> None:
    """Print a remark to stderr, where it does not disturb a pipe."""
    click.secho(message, dim=True, err=True, color=colours())


def console(*, stderr: bool = False) -> Console:
    """A rich console on stdout, or stderr; plain text when that is not a terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person sees `stream`."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def print_document(value: object) -> None:
    """Print one JSON document: pretty on a terminal, else on one line."""
    if is_terminal(sys.stdout):
        console().print_json(to_json(value), indent=_INDENT)
    else:
        print_line(value)


def print_line(value: object) -> None:
    """Print one JSON document on one line, and flush: a reader may be waiting for it."""
    click.echo(to_json(value))
    sys.stdout.flush()


def to_json(value: object, *, indent: int | None = None) -> str:
    """JSON text, in ASCII where stdout could not take anything else."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return json.dumps(value, indent=indent, ensure_ascii=encoding != "utf8", default=_stand_in)


def _stand_in(value: object) -> object:
    """What is written for a value without a JSON form: bytes keep their content."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": base64.b64encode(value).decode("ascii")}
    tolist = getattr(value, "tolist", None)  # numpy's arrays and scalars
    return tolist() if callable(tolist) else str(value)
