"""`ftbridge doctor`: is this machine fit to serve, and if not, why not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from ftbridge.cli.arguments import DEFAULT_ADDRESS
from ftbridge.cli.arguments import address as read_address
from ftbridge.cli.findings import Finding, Verdict, ok, wrong
from ftbridge.cli.terminal import EXIT_FAILED, colours, console, is_terminal, print_document

if TYPE_CHECKING:
    from ftbridge.rpc import Address

_ADAPTER_TIMEOUT: Final = 120.0  # seconds; an adapter that loads a model may take a minute
_LABEL_WIDTH: Final = 12  # the longest name of a check, and a space

_MARKS: Final[dict[Verdict, tuple[str, str | None]]] = {
    Verdict.OK: ("ok  ", "green"),
    Verdict.NOTE: ("note", "yellow"),
    Verdict.FAIL: ("FAIL", "red"),
}


@click.command()
@click.option("--adapter", metavar="SPEC", help="Also load this adapter, in a child process.")
@click.option(
    "--listen",
    callback=read_address,
    metavar="HOST:PORT",
    default=DEFAULT_ADDRESS,
    show_default=True,
    help="Check that a server could listen here.",
)
@click.option("--wheels/--no-wheels", default=True, help="Import every installed wheel to see.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(
    ctx: click.Context, adapter: str | None, listen: Address, wheels: bool, as_json: bool
) -> None:
    """Check interpreter, GIL, wheels, transport, port, limits and, if named, an adapter.

    Exit status 1 where something is wrong, with the reason and the way out.
    """
    show = _discard if as_json else _print
    found: list[Finding] = []
    for finding in _examine(adapter, listen, wheels=wheels):
        found.append(finding)
        show(finding)
    failed = [finding for finding in found if finding.verdict is Verdict.FAIL]
    if as_json:
        print_document({"ok": not failed, "findings": [finding.as_json() for finding in found]})
    elif failed:
        click.secho(f"{len(failed)} of {len(found)} checks failed.", fg="red", color=colours())
    if failed:
        ctx.exit(EXIT_FAILED)


def _examine(adapter: str | None, listen: Address, *, wheels: bool) -> Iterator[Finding]:
    from ftbridge.cli import checks
    from ftbridge.cli import wheels as installed

    yield checks.interpreter()
    yield checks.gil()
    if wheels:
        with _progress("importing wheels") as on_progress:
            found = installed.check(on_progress)
        yield from found
    yield checks.transport()
    yield checks.port(listen)
    yield checks.open_files()
    yield checks.threads()
    yield checks.cores()
    if adapter is not None:
        yield _adapter(adapter)


def _adapter(spec: str) -> Finding:
    from ftbridge.cli.wheels import run_probe

    lines, ending = run_probe(["adapter", spec], timeout=_ADAPTER_TIMEOUT)
    answer: dict[str, Any] = {key: value for line in lines for key, value in line.items()}
    if "refused" in answer:
        return wrong("adapter", f"{spec}: {answer['refused']}", "see above")
    if "failed" in answer:
        return wrong("adapter", f"{spec}: {answer['error']}", "mend it, or name another")
    if ending or "adapter" not in answer:
        return wrong("adapter", f"importing {spec} {ending or 'says nothing'}", "mend it")
    if not answer["thread_safe"]:
        return wrong(
            "adapter",
            f"{answer['adapter']} does not declare __thread_safe__ = True",
            "declare it when it is, or serve it with --serialize, one call at a time",
        )
    return ok("adapter", f"{answer['adapter']} loads with the GIL as it is, thread-safe")


def _print(finding: Finding) -> None:
    mark, colour = _MARKS[finding.verdict]
    click.secho(mark, fg=colour, nl=False, color=colours())
    indent = " " * (len(mark) + 1 + _LABEL_WIDTH)
    text = finding.text.replace("\n", "\n" + indent)
    click.echo(f" {finding.check:<{_LABEL_WIDTH}}{text}")
    if finding.way_out:
        click.echo(f"{indent}-> {finding.way_out}")


def _discard(_finding: Finding) -> None:
    """With --json everything is printed at the end."""


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr while a person waits."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
