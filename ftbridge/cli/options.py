"""Options that more than one command takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ftbridge.cli.arguments import DEFAULT_ADDRESS
from ftbridge.cli.arguments import address as read_address


def address_option[F: Callable[..., Any]](function: F) -> F:
    """`--address`, where the server is; also from FTBRIDGE_ADDRESS."""
    return click.option(
        "--address",
        callback=read_address,
        metavar="HOST:PORT",
        default=DEFAULT_ADDRESS,
        envvar="FTBRIDGE_ADDRESS",
        show_default=True,
        show_envvar=True,
        help="The server to talk to.",
    )(function)
