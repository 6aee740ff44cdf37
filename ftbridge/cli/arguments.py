"""Words of the command line into values: addresses and the arguments of a tool.

Pure functions over strings; imports click for its errors, and the transport's notion of an
address when one has to be read.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from ftbridge.rpc import Address

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"  # the port of gRPC's own examples, and of the host


def address(ctx: click.Context, param: click.Parameter, value: str) -> Address:
    """click callback of the options that take an address; exit status 2 for a bad one."""
    from ftbridge.rpc import parse_address

    try:
        return parse_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def optional_address(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> Address | None:
    """`address` for an option that may be left out."""
    return None if value is None else address(ctx, param, value)


def reachable(listen: Address, port: int) -> Address:
    """Where a client on this machine finds a server that listens at `listen`, on `port`."""
    from ftbridge.rpc import parse_address

    if listen.family == socket.AF_UNIX:
        return listen
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)
    return parse_address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def tool_arguments(words: Iterable[str], document: str | None) -> dict[str, Any]:
    """Arguments of a call from `key=value` words and a JSON object.

    A value that parses as JSON is JSON, anything else is a string: `limit=3`, `name=ann`,
    `name='"3"'` for the string.  Raises click.UsageError (exit status 2).
    """
    arguments: dict[str, Any] = {}
    if document is not None:
        try:
            parsed = json.loads(document)
        except ValueError as error:
            raise click.UsageError(f"--json is not JSON: {error}") from None
        if not isinstance(parsed, dict):
            raise click.UsageError(
                f"--json takes an object, such as '{{\"limit\": 3}}', not {_json_type(parsed)}"
            )
        arguments.update(parsed)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{word!r} is not key=value, such as limit=3")
        if key in arguments:
            raise click.UsageError(f"argument {key!r} is given twice")
        arguments[key] = parse_value(text)
    return arguments


def parse_value(text: str) -> Any:
    """JSON where `text` is JSON, else `text` itself."""
    try:
        # Python's NaN and Infinity are not JSON: they stay words.
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _json_type(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
