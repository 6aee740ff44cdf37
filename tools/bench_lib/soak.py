"""`tools/bench soak`: many mixed calls, then: is the server what it was before?

Unary calls, streams, errors, streams that break or are left, missed deadlines, over several
connections and ever new sessions. After a warm-up the server's memory, threads, open files,
sessions, connections and running calls are looked at, and again at the end, when all clients have
gone. They come from the server's own metrics endpoint, so that is under test as well. Nothing
here is a measure of speed. Must never import grpcio.
"""

from __future__ import annotations

import re
import socket
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import BenchError
from .processes import running
from .soak_load import Worker

ADAPTER: Final = "tools.bench_lib.soak_adapter:SoakAdapter"

CALLS: Final = 200_000
WORKERS: Final = 8
"""Client threads, each with a connection and a session at a time."""

WARM_UP: Final = 0.2
"""Part of the calls before the first look: caches fill, threads start, the heap finds its size."""

STEPS: Final = 4
"""Parts of the rest, with a look at the memory after each."""

MAX_GROWTH: Final = 0.10
GROWTH_FLOOR_BYTES: Final = 8 << 20
"""Resident memory may grow by a tenth, or by this, whichever is more: an allocator keeps what
many threads have freed, and a leak of a hundred bytes a call would be 16 MB in 160,000 calls."""

SETTLE_SECONDS: Final = 10.0
"""For the server to notice that the last client has gone."""

_SAMPLE: Final = re.compile(r"^(?P<name>[a-z_]+)(?:\{[^}]*\})? (?P<value>\S+)$", re.MULTILINE)

MEMORY: Final = "process_resident_memory_bytes"
_AT_REST: Final = ("ftbridge_sessions", "ftbridge_connections", "ftbridge_calls_in_flight")
_AS_BEFORE: Final = ("ftbridge_threads", "process_open_fds")
_NONE: Final = ("ftbridge_queue_depth", "ftbridge_handlers_busy", "ftbridge_gil_enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of the table."""

    what: str
    before: str
    after: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakResult:
    """What was done and found."""

    calls: Mapping[str, int]
    seconds: float
    memory: Sequence[int]
    wrong: Sequence[str]
    verdicts: Sequence[Verdict]

    @property
    def ok(self) -> bool:
        """Whether every line is good."""
        return all(verdict.ok for verdict in self.verdicts)

    def lines(self) -> list[str]:
        """The report."""
        total = sum(self.calls.values())
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.calls.items())
        memory = ", ".join(f"{size / 1e6:.1f}" for size in self.memory)
        rows = [
            f"{v.what:<34} {v.before:>12} {v.after:>12}  {'ok' if v.ok else 'FAILED'}"
            for v in self.verdicts
        ]
        return [
            f"calls           {total} in {self.seconds:.0f} s ({kinds})",
            f"memory          {memory} MB resident: after warm-up, then after each quarter",
            "",
            f"{'':<34} {'warmed up':>12} {'at the end':>12}",
            *rows,
            *(f"wrong: {text}" for text in self.wrong),
        ]

    def as_json(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "ok": self.ok,
            "calls": dict(self.calls),
            "seconds": self.seconds,
            "memory": list(self.memory),
            "wrong": list(self.wrong),
            "verdicts": [{"what": v.what, "ok": v.ok} for v in self.verdicts],
        }


def run(
    python: Path,
    *,
    calls: int,
    workers: int,
    root: Path,
    life_seconds: float,
    progress: Callable[[str], None],
) -> SoakResult:
    """Serve the adapter on this interpreter, and soak it.

    Raises:
        BenchError: the server did not start, or does not answer for its figures.
    """
    metrics = _free_port()
    command = [
        *(str(python), "-m", "ftbridge", "serve", "--adapter", ADAPTER),
        *("--listen", "127.0.0.1:0", "--metrics", str(metrics)),
    ]
    started = time.monotonic()
    done: Counter[str] = Counter()
    wrong: list[str] = []
    surprises = 0
    memory: list[int] = []
    with running(command, name="ftbridge", root=root, life_seconds=life_seconds) as server:
        parts = [round(calls * WARM_UP), *[round(calls * (1 - WARM_UP) / STEPS)] * STEPS]
        for number, part in enumerate(parts):
            progress(f"soak: part {number + 1} of {len(parts)}, {part} calls")
            for worker in _load(f"127.0.0.1:{server.port}", part, workers, number):
                done += worker.done
                wrong += worker.wrong
                surprises += worker.wrong_count
            after = _settled(metrics)
            memory.append(int(after[MEMORY]))
            if number == 0:
                before = after
    return SoakResult(
        calls=done,
        seconds=time.monotonic() - started,
        memory=memory,
        wrong=wrong[:20],
        verdicts=_verdicts(before, after, surprises, calls, sum(done.values())),
    )


def _load(address: str, calls: int, workers: int, number: int) -> list[Worker]:
    shares = [calls // workers + (index < calls % workers) for index in range(workers)]
    running_workers = [
        Worker(address, share, seed=number * 1000 + index) for index, share in enumerate(shares)
    ]
    for worker in running_workers:
        worker.start()
    for worker in running_workers:
        worker.join()
    return running_workers


def _verdicts(
    before: Mapping[str, float],
    after: Mapping[str, float],
    surprises: int,
    calls: int,
    done: int,
) -> list[Verdict]:
    allowed = max(before[MEMORY] * MAX_GROWTH, GROWTH_FLOOR_BYTES)
    verdicts = [
        Verdict(what="calls made", before="", after=str(done), ok=done == calls),
        Verdict(what="answers that were wrong", before="", after=str(surprises), ok=not surprises),
        Verdict(
            what="resident memory (MB)",
            before=f"{before[MEMORY] / 1e6:.1f}",
            after=f"{after[MEMORY] / 1e6:.1f}",
            ok=after[MEMORY] - before[MEMORY] <= allowed,
        ),
    ]
    for name in (*_AS_BEFORE, *_AT_REST, *_NONE):
        wanted = before[name] if name in _AS_BEFORE else 0.0
        verdicts.append(
            Verdict(
                what=name.removeprefix("ftbridge_").removeprefix("process_").replace("_", " "),
                before=f"{before[name]:g}",
                after=f"{after[name]:g}",
                ok=after[name] == wanted,
            )
        )
    return verdicts


def _settled(port: int) -> dict[str, float]:
    """The server's figures once it is at rest, or after `SETTLE_SECONDS`, as they are."""
    limit = time.monotonic() + SETTLE_SECONDS
    while True:
        figures = _figures(port)
        busy = [name for name in (*_AT_REST, *_NONE) if figures[name]]
        if not busy or time.monotonic() > limit:
            return figures
        time.sleep(0.05)


def _figures(port: int) -> dict[str, float]:
    """Samples by name; those of several labels added up."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
    except OSError as error:
        raise BenchError(f"the server's metrics cannot be read: {error}") from None
    figures: Counter[str] = Counter()
    for sample in _SAMPLE.finditer(text):
        figures[sample["name"]] += float(sample["value"])  # type: ignore[assignment]
    missing = [name for name in (MEMORY, *_AS_BEFORE, *_AT_REST, *_NONE) if name not in figures]
    if missing:
        raise BenchError(f"the server's metrics lack {', '.join(missing)}")
    return dict(figures)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def default_python(root: Path) -> Path:
    """The free-threaded interpreter of the checkout, or this one."""
    local = root / ".venv/bin/python"
    return local if local.exists() else Path(sys.executable)
