"""The command group: names, version, and each command's module loaded when it is called."""

from __future__ import annotations

import importlib
from typing import Final

import click
from click.shell_completion import CompletionItem

from ftbridge.cli.terminal import colours

# Command -> module and one-line help; the help here spares `ftbridge --help` the imports.
_COMMANDS: Final = {
    "serve": ("ftbridge.cli.serve", "Serve an adapter's tools over gRPC."),
    "tools": ("ftbridge.cli.tools", "List the tools that a server offers."),
    "call": ("ftbridge.cli.call", "Call a tool and print its result as JSON."),
    "new": ("ftbridge.cli.new", "Write a new adapter package to start from."),
    "profile": ("ftbridge.cli.profile", "Show where a program's CPU time goes, in a flame graph."),
    "compare": ("ftbridge.cli.compare", "Measure your code on both builds: is it worth it?"),
    "doctor": ("ftbridge.cli.doctor", "Check interpreter, GIL, wheels, ports and limits."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported one at a time, on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of their use, not of the alphabet."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None when there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names for the shell, without importing what is completed."""
        if not incomplete.startswith("-"):
            return [
                CompletionItem(name, help=text)
                for name, (_, text) in _COMMANDS.items()
                if name.startswith(incomplete)
            ]
        return super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing what it lists."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from ftbridge import __version__
        from ftbridge.cli.interpreter import interpreter_line

        click.echo(f"ftbridge {__version__} ({interpreter_line()})")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of ftbridge and Python, and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Serve Python tools over gRPC, in parallel, without the GIL."""
    ctx.color = colours()


def main() -> None:
    """Run the command line; never returns."""
    cli(prog_name="ftbridge")
