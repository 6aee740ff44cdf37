"""The options of `tools/bench`. Must never import what measures: a mistake is told at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

BENCHMARKS: Final[Mapping[str, str]] = {
    "rpc": "calls a second, latencies, CPU time and memory of each server",
    "fairness": "latency at half load, beside a greedy caller, goodput under overload",
    "tools": "tools that compute, wait or share a lock, on each server",
    "scaling": "what each further core gives, and what takes the rest",
    "memory": "calls at once over one model, in one process or a process each",
    "codec": "reading requests and writing responses, against protobuf",
    "startup": "process start to first answer, and where it goes",
    "pool": "waiting calls through a stand-in for the host's pool",
    "locks": "locks with the contention profile off and on, and how they scale",
    "stress": "ftstress beside other tools that look for races; fetches them",
}
"""In the order of `all`."""

ROUNDS: Final = dict.fromkeys(BENCHMARKS, 3) | {"startup": 5, "codec": 5, "memory": 2}
SECONDS: Final = {"rpc": 1.2, "fairness": 2.0, "tools": 1.0, "scaling": 1.0, "stress": 1.0}
"""Of each measurement."""

QUICK_ROUNDS: Final = 1
QUICK_SECONDS: Final = 0.4
THREADS: Final = {"rpc": 4, "fairness": 4, "tools": 8}

WORKLOADS: Final = ("small", "4k", "1m", "stream", "mixed")


def parser() -> argparse.ArgumentParser:
    """All options."""
    top = argparse.ArgumentParser(
        prog="tools/bench",
        description="ftbridge measured side by side with other servers. Believe the ratios.",
    )
    commands = top.add_subparsers(dest="benchmark", required=True)
    for name, text in BENCHMARKS.items():
        _benchmark(commands.add_parser(name, help=text), name)
    everything = commands.add_parser("all", help="all of these; writes docs/benchmarks.md if asked")
    _common(everything)
    everything.add_argument("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME")
    everything.add_argument("--skip", nargs="+", choices=list(BENCHMARKS), metavar="NAME")
    _docs(everything)
    show = commands.add_parser("show", help="a saved run again, as text, HTML or docs")
    show.add_argument("run", type=Path, metavar="FILE", help="benchmarks.json of --save")
    show.add_argument("--html", type=Path, metavar="FILE", help="write the page here")
    show.add_argument("--json", action="store_true", help="print JSON instead of tables")
    _docs(show)
    _soak(commands.add_parser("soak", help="many mixed calls, then: memory, threads, sessions"))
    return top


def _docs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--write-docs", action="store_true", help="write docs/benchmarks.md from this run"
    )


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quick", action="store_true", help="one short round: does it work?")
    command.add_argument("--full", action="store_true", help="rpc: the whole matrix")
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    command.add_argument(
        "--save", type=Path, metavar="FOLDER", help="write benchmarks.json and .html there"
    )
    command.add_argument(
        "--python", type=Path, default=ROOT / ".venv/bin/python", help="free-threaded (.venv's)"
    )
    command.add_argument(
        "--gil-python",
        type=Path,
        default=Path(sys.executable),
        help="the GIL twin with grpcio (the Python that runs this command)",
    )


def _benchmark(command: argparse.ArgumentParser, name: str) -> None:
    _common(command)
    command.add_argument("--rounds", type=positive, help=f"of all arms ({ROUNDS[name]})")
    if name in SECONDS:
        command.add_argument(
            "--seconds", type=seconds, help=f"of each measurement ({SECONDS[name]:g})"
        )
    if name in THREADS:
        command.add_argument("--threads", type=positive, help=f"that run tools ({THREADS[name]})")
    if name == "rpc":
        command.add_argument("--workloads", nargs="+", metavar="NAME", choices=WORKLOADS)
    if name == "memory":
        command.add_argument("--launches", type=positive, help="of the pool (16)")
        command.add_argument("--model", type=positive, metavar="MIB", help="(50)")
    if name == "pool":
        command.add_argument("--calls", type=positive, help="at once (8)")
        command.add_argument("--wait", type=seconds, help="seconds that each waits (1)")


def _soak(command: argparse.ArgumentParser) -> None:
    command.add_argument("--calls", type=positive, default=200_000, help="(200000)")
    command.add_argument("--workers", type=positive, default=8, help="client threads (8)")
    command.add_argument(
        "--limit", type=positive, default=1800, metavar="SECONDS", help="for all of it (1800)"
    )
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.add_argument("--python", type=Path, help="that serves (.venv's, or this one)")


def completed(options: argparse.Namespace, name: str) -> argparse.Namespace:
    """The same with everything that benchmark ``name`` needs, by default or --quick."""
    quick = options.quick
    length = SECONDS.get(name, 0.0)
    defaults: dict[str, object] = {
        "rounds": QUICK_ROUNDS if quick else ROUNDS[name],
        "seconds": min(QUICK_SECONDS, length) if quick else length,
        "threads": THREADS.get(name, 4),
        "workloads": None,
        "launches": 4 if quick else 16,
        "model": 50,
        "calls": 8,
        "wait": 0.3 if quick else 1.0,
    }
    given = {key: value for key, value in vars(options).items() if value is not None}
    return argparse.Namespace(**(defaults | given))


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def seconds(text: str) -> float:
    """A time that is more than nothing."""
    number = float(text)
    if not 0.05 <= number <= 600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.05 and 600")
    return number
