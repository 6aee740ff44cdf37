"""Options that more than one command takes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Final, cast

import click

from ftbridge.cli.arguments import DEFAULT_ADDRESS
from ftbridge.cli.arguments import address as read_address
from ftbridge.wire.policy import (
    DEFAULT_MARKER_LENGTH,
    DEFAULT_MAX_LIST_ELEMENTS,
    MARKER_DETAILS,
    MAX_MARKER_LENGTH,
    MarkerDetail,
    WirePolicy,
)


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


def wire_options[F: Callable[..., Any]](function: F) -> F:
    """The options about values, as one argument: a keyword `policy`, a `WirePolicy`.

    `--compat`, `--allow-pickle`, and what markers tell; the latter also from the environment.
    """

    @functools.wraps(function)
    def with_policy(
        *args: Any,
        compat: str | None,
        allow_pickle: bool,
        marker_detail: MarkerDetail | None,
        marker_length: int | None,
        max_list_elements: int | None,
        **kwargs: Any,
    ) -> Any:
        chosen = {
            "marker_detail": marker_detail,
            "marker_length": marker_length,
            "max_list_elements": max_list_elements,
        }
        policy = dataclasses.replace(
            WirePolicy.from_environment(snakepit=compat == "snakepit", allow_pickle=allow_pickle),
            **cast("Any", {name: value for name, value in chosen.items() if value is not None}),
        )
        return function(*args, policy=policy, **kwargs)

    decorated: Any = with_policy
    for option in reversed(_WIRE_OPTIONS):
        decorated = option(decorated)
    return cast("F", decorated)


_WIRE_OPTIONS: Final = (
    click.option(
        "--compat",
        type=click.Choice(["snakepit"]),
        help="Encode scalars as Snakepit's own workers do: integers as floats, None as text.",
    ),
    click.option(
        "--allow-pickle",
        is_flag=True,
        help="Unpickle parameters that are marked so: every caller may then run any code.",
    ),
    click.option(
        "--marker-detail",
        type=click.Choice(MARKER_DETAILS),
        help="What stands for a value that cannot be sent tells of it. Default: its type only.",
    ),
    click.option(
        "--marker-length",
        type=click.IntRange(0, MAX_MARKER_LENGTH),
        help=f"Characters of a repr in it. Default: {DEFAULT_MARKER_LENGTH}.",
    ),
    click.option(
        "--max-list-elements",
        type=click.IntRange(min=0),
        help=f"Longest array sent as a list. Default: {DEFAULT_MAX_LIST_ELEMENTS}.",
    ),
)
