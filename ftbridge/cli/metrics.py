"""`--metrics [HOST:]PORT`: the option's text, and the endpoint while the server serves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ftbridge.cli.terminal import fail

if TYPE_CHECKING:
    from ftbridge.bridge.server import BridgeServer
    from ftbridge.metrics import CallMeter

_MAX_PORT = 65535


def read_metrics(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    """click callback: host and port; exit status 2 for anything else."""
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
        raise click.BadParameter(
            f"{value!r} is not [HOST:]PORT, such as 9090 or 0.0.0.0:9090", ctx, param
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


@contextmanager
def exposed(
    server: BridgeServer, meter: CallMeter | None, where: tuple[str, int] | None
) -> Iterator[str | None]:
    """Have the server's figures scraped at this place during the block; the address in use.

    Ends the command when nothing can listen there.
    """
    if where is None or meter is None:
        yield None
        return
    from ftbridge.bridge.metrics import ServerCollector
    from ftbridge.metrics import register, unregister
    from ftbridge.metrics.endpoint import DEFAULT_HOST, MetricsEndpoint

    host, port = where
    try:
        endpoint = MetricsEndpoint(port, host or DEFAULT_HOST)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        fail(
            f"cannot serve metrics on {host or DEFAULT_HOST}:{port}: {reason}; take another port, "
            "or a free one with --metrics 0"
        )
    collector = ServerCollector(server, meter)
    register(collector)
    try:
        yield endpoint.address
    finally:
        unregister(collector)
        endpoint.close()
