"""Who is measured: the command that starts each server, and the order in each round."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import Client
from .errors import BenchError
from .names import AIO, BASE, FRONT, NATIVE, OURS, STATIC, TWIN
from .processes import Server, running

ADAPTER = "tools.bench_lib.adapter:BenchAdapter"
HEAVY_ADAPTER = "tools.bench_lib.tools_adapter:ToolsAdapter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One server: its name in the tables, its command, and whether it has to run with the GIL."""

    name: str
    command: tuple[str, ...]
    gil: bool
    grpc: bool = True


@dataclass(frozen=True, slots=True)
class Served:
    """A contender that runs."""

    contender: Contender
    server: Server
    _client: Client | None

    @property
    def name(self) -> str:
        return self.contender.name

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def client(self) -> Client:
        """Raises:
        BenchError: it is no gRPC server.
        """
        if self._client is None:
            raise BenchError(f"{self.name} is no gRPC server")
        return self._client


def ftbridge(
    name: str, python: Path, *, threads: int, gil: bool, adapter: str = ADAPTER
) -> Contender:
    """Our server on an interpreter, over the same command line that users take."""
    command = (str(python), "-m", "ftbridge", "serve", "--adapter", adapter)
    address = ("--listen", "127.0.0.1:0", "--threads", str(threads))
    return Contender(name=name, command=(*command, *address), gil=gil)


def stock(name: str, python: Path, *, kind: str, threads: int, heavy: bool = False) -> Contender:
    """A server of `stock_server`; ``aio`` has no threads for tools."""
    command = (str(python), "-m", "tools.bench_lib.stock_server", "--kind", kind)
    more = ("--threads", str(threads), *(("--heavy",) if heavy else ()))
    return Contender(name=name, command=(*command, *more), gil=True)


def static(python: Path) -> Contender:
    """nghttpd on all cores, started by a script on this interpreter."""
    command = (str(python), "-m", "tools.bench_lib.static_server")
    cores = str(os.process_cpu_count() or 1)
    return Contender(name=STATIC, command=(*command, "--threads", cores), gil=True, grpc=False)


def grpc_field(
    python: Path, gil_python: Path, *, threads: int, heavy: bool = False
) -> tuple[Contender, ...]:
    """All gRPC servers, with the heavier tools or without."""
    adapter = HEAVY_ADAPTER if heavy else ADAPTER
    ours = (
        ftbridge(OURS, python, threads=threads, gil=False, adapter=adapter),
        ftbridge(TWIN, gil_python, threads=threads, gil=True, adapter=adapter),
    )
    others = ((BASE, "sync"), (AIO, "aio"), (NATIVE, "native"), (FRONT, "front"))
    return ours + tuple(
        stock(name, gil_python, kind=kind, threads=threads, heavy=heavy) for name, kind in others
    )


@contextmanager
def served(contender: Contender, *, root: Path, life_seconds: float) -> Iterator[Served]:
    """A fresh server that answers as it should.

    Raises:
        BenchError: it does not start, does not answer, or runs with the GIL when it must not.
    """
    name = contender.name
    with running(contender.command, name=name, root=root, life_seconds=life_seconds) as server:
        if not contender.grpc:
            yield Served(contender, server, None)
            return
        with Client(server.port, name=name) as client:
            if client.tool("about")["gil"] is not contender.gil:
                state = "off" if contender.gil else "on"
                raise BenchError(
                    f"{name} runs with the GIL {state}: give the right interpreter with "
                    f"--{'gil-' if contender.gil else ''}python"
                )
            yield Served(contender, server, client)
