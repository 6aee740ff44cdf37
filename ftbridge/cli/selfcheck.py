"""`ftbridge serve --self-check`: one call through the socket, and what to try next.

An adapter says itself which of its calls are harmless and worth a look, in a class attribute:

    __examples__ = (("add", {"a": 1, "b": 2}), ("crawl", {"package": "json"}))

The first is called; the first two are suggested as commands.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Final

import click

from ftbridge.adapters.host import AdapterHost
from ftbridge.adapters.tools import ToolInfo
from ftbridge.cli.arguments import parse_value
from ftbridge.cli.interpreter import with_address
from ftbridge.cli.terminal import fail, to_json
from ftbridge.client import Client, ClientError, Session
from ftbridge.rpc import Address

_TIMEOUT: Final = 30.0  # seconds, for what should take a fraction of one
_RESULT_CHARACTERS: Final = 300  # of the result, about three lines of a terminal
_SUGGESTIONS: Final = 3

type Example = tuple[str, Mapping[str, object]]


def self_check(address: Address, adapter_class: type, host: AdapterHost) -> None:
    """Call the server at `address`, print what came back and three commands to try.

    An adapter without `__examples__` is only asked for its tools: nothing says what they do.
    Ends the command with exit status 1 when the call fails.
    """
    examples = _examples(adapter_class, host.tools)
    try:
        with Client(str(address)) as client, client.session() as session:
            started = time.perf_counter()
            count = len(session.tools())
            found = f"{count} tools are offered"
            if examples:
                tool, arguments = examples[0]
                started = time.perf_counter()
                result = _call(session, tool, arguments, stream=host.tools[tool].supports_streaming)
                found = f"{as_words(tool, arguments)} -> {_cut(to_json(result))}"
            milliseconds = (time.perf_counter() - started) * 1000
    except ClientError as error:
        fail(f"self-check: {error}")
    click.echo(f"Self-check: {found} ({milliseconds:.1f} ms)")
    click.echo("Try next, in another terminal:")
    calls = [f"call {as_words(tool, arguments)}" for tool, arguments in examples]
    for command in ["tools", *calls, "tools --json", "doctor"][:_SUGGESTIONS]:
        click.echo(f"  {with_address(command, address)}")


def as_words(tool: str, arguments: Mapping[str, object]) -> str:
    """A call as it is typed after `ftbridge call`."""
    words = [tool]
    for key, value in arguments.items():
        # A string that would be read as JSON has to be written as JSON.
        plain = isinstance(value, str) and parse_value(value) == value
        words.append(f"{key}={value if plain else to_json(value)}")
    return shlex.join(words)


def _examples(adapter_class: type, tools: Mapping[str, ToolInfo]) -> list[Example]:
    declared: tuple[Example, ...] = getattr(adapter_class, "__examples__", ())
    return [(tool, arguments) for tool, arguments in declared if tool in tools]


def _call(session: Session, tool: str, arguments: Mapping[str, object], *, stream: bool) -> object:
    if not stream:
        result: object = session.call(tool, arguments, timeout=_TIMEOUT)
        return result
    chunks = session.chunks(tool, arguments, timeout=_TIMEOUT)
    return [chunk.data for chunk in chunks if not chunk.empty]


def _cut(text: str) -> str:
    return text if len(text) <= _RESULT_CHARACTERS else text[:_RESULT_CHARACTERS] + " ..."
