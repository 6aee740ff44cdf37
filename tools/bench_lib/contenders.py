"""Who is measured: the command that starts each server, and the order in each round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import Client
from .errors import BenchError
from .processes import running

ADAPTER = "tools.bench_lib.adapter:BenchAdapter"

BASE = "grpcio sync, GIL"
"""The contender that the others are divided by."""

OURS = "ftbridge, free-threaded"
TWIN = "ftbridge, GIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One server: its name in the tables, its command, and whether it has to run with the GIL."""

    name: str
    command: tuple[str, ...]
    gil: bool


def ftbridge(
    name: str, python: Path, *, threads: int, gil: bool, adapter: str = ADAPTER
) -> Contender:
    """Our server on an interpreter, over the same command line that users take."""
    command = (str(python), "-m", "ftbridge", "serve", "--adapter", adapter)
    address = ("--listen", "127.0.0.1:0", "--threads", str(threads))
    return Contender(name=name, command=(*command, *address), gil=gil)


def stock(name: str, python: Path, *, kind: str, threads: int) -> Contender:
    """Stock grpcio: ``sync`` on a pool of so many threads, or ``aio``."""
    command = (str(python), "-m", "tools.bench_lib.stock_server", "--kind", kind)
    return Contender(name=name, command=(*command, "--threads", str(threads)), gil=True)


def field(python: Path, gil_python: Path, *, threads: int, aio: bool) -> tuple[Contender, ...]:
    """All contenders of a benchmark."""
    contenders: tuple[Contender, ...] = (
        ftbridge(OURS, python, threads=threads, gil=False),
        ftbridge(TWIN, gil_python, threads=threads, gil=True),
        stock(BASE, gil_python, kind="sync", threads=threads),
    )
    if aio:
        contenders += (stock("grpcio aio, GIL", gil_python, kind="aio", threads=threads),)
    return contenders


def rotated[T](items: Sequence[T], turn: int) -> list[T]:
    """``items`` from another one on in each round, so that none always runs first or last."""
    turn %= len(items)
    return [*items[turn:], *items[:turn]]


@contextmanager
def served(contender: Contender, *, root: Path, life_seconds: float) -> Iterator[Client]:
    """A fresh server that answers as it should, and a client to it.

    Raises:
        BenchError: it does not start, does not answer, or runs with the GIL when it must not.
    """
    name = contender.name
    with (
        running(contender.command, name=name, root=root, life_seconds=life_seconds) as port,
        Client(port, name=name) as client,
    ):
        if client.tool("about")["gil"] is not contender.gil:
            state = "off" if contender.gil else "on"
            raise BenchError(
                f"{name} runs with the GIL {state}: give the right interpreter with "
                f"--{'gil-' if contender.gil else ''}python"
            )
        yield client
