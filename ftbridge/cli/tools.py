"""`ftbridge tools`: what a server offers, as a table or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ftbridge.cli.options import address_option
from ftbridge.cli.terminal import console, print_document

if TYPE_CHECKING:
    from ftbridge.client import RemoteTool
    from ftbridge.rpc import Address


@click.command()
@address_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def tools(address: Address, as_json: bool) -> None:
    """List the tools that a server offers: parameters, types, defaults."""
    from ftbridge.cli.failures import explained
    from ftbridge.client import Client

    with explained(), Client(str(address)) as client:
        specs = [describe(spec) for _, spec in sorted(client.tools().items())]
    if as_json:
        print_document(specs)
    elif not specs:
        click.echo(f"The server at {address} offers no tools.")
    else:
        _print_table(specs)


def describe(spec: RemoteTool) -> dict[str, Any]:
    """A tool as plain JSON values."""
    parameters = []
    for parameter in spec.parameters:
        entry: dict[str, Any] = {
            "name": parameter.name,
            "type": parameter.type,
            "required": parameter.required,
        }
        if parameter.description:
            entry["description"] = parameter.description
        if parameter.has_default:
            entry["default"] = parameter.default
        parameters.append(entry)
    return {
        "name": spec.name,
        "description": spec.description,
        "supports_streaming": spec.supports_streaming,
        "parameters": parameters,
        "metadata": dict(spec.metadata),
    }


def signature(parameter: dict[str, Any]) -> str:
    """One parameter as a person reads it: "limit: integer = 10"."""
    from ftbridge.cli.terminal import to_json

    text = str(parameter["name"])
    if parameter["type"]:
        text += f": {parameter['type']}"
    if "default" in parameter:
        text += f" = {to_json(parameter['default'])}"
    elif not parameter["required"]:
        text += " (optional)"
    return text


def _print_table(specs: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold", show_lines=False)
    table.add_column("tool", style="cyan", no_wrap=True)
    table.add_column("parameters")
    table.add_column("streams", justify="center")
    table.add_column("description", ratio=1)
    for spec in specs:
        # Text, not str: square brackets in a type or a description are no markup.
        table.add_row(
            Text(spec["name"]),
            Text("\n".join(signature(parameter) for parameter in spec["parameters"])),
            "yes" if spec["supports_streaming"] else "",
            Text(spec["description"]),
        )
    console().print(table)
