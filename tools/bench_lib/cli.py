"""The command line of `tools/bench`: options in, a report on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from . import (
    control,
    h2load,
    locks_bench,
    machine,
    memory_bench,
    pool_bench,
    rpc_bench,
    soak,
    tools_bench,
)
from .contenders import Contender, grpc_field, static
from .errors import BenchError
from .names import BASE, OURS, TWIN

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark; the exit status: 0, or 1 where no figure could be had, or a soak failed."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _ended)  # so that the servers are ended on the way out
    try:
        if options.benchmark == "soak":
            return _soak(options)
        report = _BENCHMARKS[options.benchmark](options)
    except BenchError as error:
        print(f"tools/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(report, indent=2))
    return 0


def parser() -> argparse.ArgumentParser:
    """All options."""
    top = argparse.ArgumentParser(
        prog="tools/bench",
        description="ftbridge against stock grpcio, side by side. Believe the ratios.",
    )
    benchmarks = top.add_subparsers(dest="benchmark", required=True)
    rpc = benchmarks.add_parser(
        "rpc",
        help="calls a second, latencies, CPU time and memory, by h2load",
        description=rpc_bench.__doc__,
    )
    tools = benchmarks.add_parser(
        "tools", help="CPU-bound tools at once against in turn", description=tools_bench.__doc__
    )
    memory = benchmarks.add_parser(
        "memory",
        help="launches that share a server against a process each",
        description=memory_bench.__doc__,
    )
    memory.add_argument("--launches", type=positive, default=16, help="of the pool (16)")
    memory.add_argument("--model", type=positive, default=50, metavar="MIB", help="(50)")
    pool = benchmarks.add_parser(
        "pool",
        help="waiting calls through a stand-in for the host's pool",
        description=pool_bench.__doc__,
    )
    pool.add_argument("--calls", type=positive, default=8, help="at once (8)")
    pool.add_argument("--seconds", type=float, default=1.0, help="that each waits (1)")
    locks = benchmarks.add_parser(
        "locks",
        help="locks with the contention profile off and on, and how they scale",
        description=locks_bench.__doc__,
    )
    for command in (memory, pool, locks):
        command.add_argument("--rounds", type=positive, default=3, help="of all arms (3)")
    soaked = benchmarks.add_parser(
        "soak",
        help="many mixed calls, then: memory, threads, sessions",
        description=soak.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    soaked.add_argument("--calls", type=positive, default=soak.CALLS, help=f"({soak.CALLS})")
    soaked.add_argument(
        "--workers", type=positive, default=soak.WORKERS, help=f"client threads ({soak.WORKERS})"
    )
    soaked.add_argument(
        "--limit", type=positive, default=1800, metavar="SECONDS", help="for all of it (1800)"
    )
    soaked.add_argument("--json", action="store_true", help="print JSON instead of a table")
    soaked.add_argument(
        "--python", type=Path, default=soak.default_python(ROOT), help="that serves"
    )
    rpc.add_argument("--seconds", type=float, default=1.2, help="of each measurement (1.2)")
    rpc.add_argument("--full", action="store_true", help="the whole matrix of connections, streams")
    rpc.add_argument(
        "--workloads", nargs="+", metavar="NAME", choices=rpc_bench.NAMES, help="these only"
    )
    tools.add_argument("--calls", type=positive, default=8, help="at once (8)")
    tools.add_argument(
        "--iterations", type=positive, default=400_000, help="of the tool's loop (400000)"
    )
    for command, threads in ((rpc, 4), (tools, 8)):
        command.add_argument("--rounds", type=positive, default=3, help="of all servers (3)")
        command.add_argument(
            "--threads", type=positive, default=threads, help=f"that run tools ({threads})"
        )
    for command in (rpc, tools, memory, pool, locks):
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        command.add_argument(
            "--python", type=Path, default=ROOT / ".venv/bin/python", help="free-threaded"
        )
        command.add_argument(
            "--gil-python",
            type=Path,
            default=Path(sys.executable),
            help="the GIL twin with grpcio (the Python that runs this command)",
        )
    return top


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _rpc(options: argparse.Namespace) -> dict[str, object]:
    head = _head(options)
    if not head["h2load"]:
        raise BenchError(h2load.MISSING)
    contenders = grpc_field(options.python, options.gil_python, threads=options.threads)
    if head["nghttpd"]:
        contenders += (static(options.gil_python),)
    else:
        _progress("nghttpd is missing, so no figure of the limit: apt-get install nghttp2-server")
    points = rpc_bench.matrix(full=options.full)
    if options.workloads:
        points = tuple(point for point in points if point.workload in options.workloads)
    _say(
        options,
        f"load            {head['h2load']}: {options.seconds:g} s each,"
        f" {options.rounds} rounds, {options.threads} tool threads",
    )
    result = rpc_bench.run(
        contenders,
        points=points,
        rounds=options.rounds,
        seconds=options.seconds,
        root=ROOT,
        progress=_progress,
    )
    _say(options, *result.lines())
    return {"machine": head, "results": result.as_json()}


def _tools(options: argparse.Namespace) -> dict[str, object]:
    head = _head(options)
    _progress("control: one process, then two")
    before = control.measure(options.python, ROOT)
    _say(options, f"control before  {before.describe()}")
    result = tools_bench.run(
        _three(options),
        rounds=options.rounds,
        calls=options.calls,
        iterations=options.iterations,
        parallel=before.scales,
        root=ROOT,
        progress=_progress,
    )
    after = control.measure(options.python, ROOT)
    _say(options, f"control after   {after.describe()}")
    if not after.scales:
        result = result.without_parallel()
    _say(options, *result.lines())
    return {
        "machine": head,
        "control": {"before": before.scaling, "after": after.scaling},
        "parallel": result.parallel,
        "results": result.as_json(),
    }


def _three(options: argparse.Namespace) -> list[Contender]:
    names = (OURS, TWIN, BASE)
    everyone = grpc_field(options.python, options.gil_python, threads=options.threads)
    return [contender for contender in everyone if contender.name in names]


def _memory(options: argparse.Namespace) -> dict[str, object]:
    head = _head(options)
    result = memory_bench.run(
        options.python,
        launches=options.launches,
        model_mib=options.model,
        rounds=options.rounds,
        root=ROOT,
    )
    _say(options, *result.lines())
    return {"machine": head, "results": result.as_json()}


def _pool(options: argparse.Namespace) -> dict[str, object]:
    head = _head(options)
    result = pool_bench.run(
        options.python,
        calls=options.calls,
        seconds=options.seconds,
        rounds=options.rounds,
        root=ROOT,
    )
    _say(options, *result.lines())
    return {"machine": head, "results": result.as_json()}


def _soak(options: argparse.Namespace) -> int:
    """The exit status: 1 when a line of the table failed."""
    result = soak.run(
        options.python,
        calls=options.calls,
        workers=options.workers,
        root=ROOT,
        life_seconds=options.limit,
        progress=_progress,
    )
    _say(options, *result.lines())
    if options.json:
        print(json.dumps(result.as_json(), indent=2))
    return 0 if result.ok else 1


def _locks(options: argparse.Namespace) -> dict[str, object]:
    head = _head(options)
    _progress("control: one process, then two")
    before = control.measure(options.python, ROOT)
    _say(options, f"control         {before.describe()}")
    if not head["h2load"]:
        _progress("h2load is missing, so no served call: apt-get install nghttp2-client")
    result = locks_bench.run(
        options.python,
        options.gil_python,
        rounds=options.rounds,
        served=bool(head["h2load"]),
        parallel=before.scales,
        root=ROOT,
        progress=_progress,
    )
    _say(options, *result.lines())
    return {"machine": head, "control": before.scaling, "results": result.as_json()}


_BENCHMARKS: Final = {
    "locks": _locks,
    "rpc": _rpc,
    "tools": _tools,
    "memory": _memory,
    "pool": _pool,
}


def _head(options: argparse.Namespace) -> dict[str, object]:
    head = machine.describe(options.python, options.gil_python, ROOT)
    _say(options, *machine.heading(head))
    return head


def _say(options: argparse.Namespace, *lines: str) -> None:
    if not options.json:
        for line in lines:
            print(line, flush=True)


def _progress(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def _ended(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)
