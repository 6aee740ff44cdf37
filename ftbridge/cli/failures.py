"""What a client's exceptions look like on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ftbridge.cli.arguments import DEFAULT_ADDRESS
from ftbridge.cli.interpreter import command_name
from ftbridge.cli.terminal import EXIT_INTERRUPTED, fail
from ftbridge.client import ClientError, ToolError, UnavailableError


@contextmanager
def explained(*, stacktrace: bool = False) -> Iterator[None]:
    """End the command with one clear line where the block raises one of the client's errors.

    `stacktrace` prints the server's traceback above it, when there is one.
    """
    try:
        yield
    except UnavailableError as error:
        if error.reached:
            fail(str(error))
        # The transport names the address in its reason; once in a line is enough.
        reason = error.details.removeprefix(f"cannot connect to {error.address}: ")
        reason = reason[:1].lower() + reason[1:]
        fail(
            f"no server answers at {error.address}: {reason}. "
            f"Start one with: {start_command(error.address)}"
        )
    except ToolError as error:
        if stacktrace:
            for line in error.stacktrace:
                click.echo(line, err=True)
        fail(str(error))
    except ClientError as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None


def start_command(address: str) -> str:
    """The command that starts a server at `address`."""
    if address == DEFAULT_ADDRESS:
        return f"{command_name()} serve"
    return f"{command_name()} serve --listen {address}"
