"""`ftbridge call`: one call of a tool, its result as JSON on stdout.

stdout carries JSON only, so that it can be piped; everything for people goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import click

from ftbridge.cli.arguments import tool_arguments
from ftbridge.cli.options import address_option
from ftbridge.cli.terminal import console, is_terminal, note, print_document, print_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftbridge.client import RemoteTool, Session
    from ftbridge.rpc import Address

_PERCENT: Final = 100.0


@click.command(no_args_is_help=True)
@click.argument("tool")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "document", metavar="JSON", help="Arguments as a JSON object.")
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Print chunks as they arrive, a JSON document a line. Default: what the tool supports.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Give up, and cancel the call, after so many seconds. Default: wait.",
)
@click.option("--traceback", is_flag=True, help="Show the server's traceback when the tool fails.")
@address_option
def call(
    tool: str,
    arguments: tuple[str, ...],
    document: str | None,
    stream: bool | None,
    timeout: float | None,
    traceback: bool,
    address: Address,
) -> None:
    """Call TOOL and print its result as JSON.

    A VALUE that parses as JSON is JSON, anything else is a string: limit=3, name=ann,
    flags='["a", "b"]'. Ctrl-C cancels the call.
    """
    values = tool_arguments(arguments, document)
    from ftbridge.cli.failures import explained
    from ftbridge.client import Client

    with (
        explained(stacktrace=traceback),
        Client(str(address)) as client,
        client.session() as session,
    ):
        spec = _find(session.tools(), tool)
        if stream is None and spec.supports_streaming:
            if is_terminal(sys.stderr):
                note(f"{tool} streams: one JSON document a line (--no-stream for one result).")
            stream = True
        if stream:
            _print_stream(session, tool, values, timeout)
        else:
            print_document(session.call(tool, values, timeout=timeout))


def _find(tools: Mapping[str, RemoteTool], name: str) -> RemoteTool:
    spec = tools.get(name)
    if spec is not None:
        return spec
    import difflib

    from ftbridge.client import ToolError

    close = difflib.get_close_matches(name, tools, n=1)
    known = ", ".join(sorted(tools)) or "none"
    hint = f"did you mean {close[0]!r}?" if close else f"the server offers: {known}"
    raise ToolError("ToolNotFoundError", f"no tool named {name!r}; {hint}")


def _print_stream(
    session: Session, tool: str, values: Mapping[str, Any], timeout: float | None
) -> None:
    with _progress(tool) as show:
        for chunk in session.chunks(tool, values, timeout=timeout):
            if chunk.empty:
                continue  # the bare final chunk that ends a stream whose tool marked none
            print_line(chunk.data)
            percent = _percent(chunk.data)
            if percent is not None:
                show(percent)


def _percent(data: object) -> float | None:
    """The `progress` of a chunk, in percent, as the adapter guide defines it."""
    value = data.get("progress") if isinstance(data, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return min(max(float(value), 0.0), _PERCENT)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr that appears with the first progress; nothing where nobody sees it."""
    if not is_terminal(sys.stderr):
        with nullcontext():
            yield _ignore
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn(title), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    # A line printed to a terminal that also shows the bar has to pass through rich to go above it.
    shared = is_terminal(sys.stdout)
    with Progress(
        *columns, console=console(stderr=True), redirect_stdout=shared, redirect_stderr=False
    ) as bars:
        task = bars.add_task(title, total=_PERCENT, visible=False)
        yield lambda percent: bars.update(task, completed=percent, visible=True)


def _ignore(_percent: float) -> None:
    """Progress that nobody sees."""
