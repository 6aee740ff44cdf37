"""The command line of `tools/bench`: options in, a report on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from . import (
    codec_bench,
    control,
    fairness_bench,
    h2load,
    locks_bench,
    machine,
    markdown,
    matrix,
    memory_bench,
    page,
    pool_bench,
    rpc_bench,
    scaling_bench,
    soak,
    startup_bench,
    stress_bench,
    tools_bench,
)
from .contenders import grpc_field, static, stock
from .errors import BenchError
from .names import PROCESSES
from .options import BENCHMARKS, ROOT, completed, parser
from .report import AIM_COLUMNS, Run, Section, Table

DOCS: Final = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark; the exit status: 0, or 1 where no figure could be had, or a soak failed."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)
    signal.signal(signal.SIGTERM, _ended)  # so that the servers are ended on the way out
    try:
        if options.benchmark == "soak":
            return _soak(options)
        if options.benchmark == "show":
            return _show(options)
        return _measure(options, shlex.join(["./tools/bench", *given]))
    except BenchError as error:
        print(f"tools/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _measure(options: argparse.Namespace, command: str) -> int:
    names = [options.benchmark]
    if options.benchmark == "all":
        names = [name for name in options.only or BENCHMARKS if name not in (options.skip or ())]
    began = time.monotonic()
    head = machine.describe(options.python, options.gil_python, ROOT)
    run = Run(
        command=command,
        date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        machine=head,
        heading=machine.heading(head),
        control=[],
    )
    if not head["h2load"] and set(names) & {"rpc", "fairness", "tools", "scaling"}:
        raise BenchError(h2load.MISSING)
    _say(options, *run.heading)
    scales = _control(options, run, "before")
    failed = False
    for name in names:
        try:
            section = _RUNNERS[name](completed(options, name), head, scales)
        except BenchError as error:
            if len(names) == 1:
                raise
            # The others took minutes: what they found is not thrown away.
            print(f"tools/bench: {name}: {error}", file=sys.stderr)
            failed = True
            continue
        run.sections.append(section)
        _say(options, *section.lines())
    _control(options, run, "after")
    run.seconds = time.monotonic() - began
    if len(names) > 1 and run.aims():
        rows = [aim.row() for aim in run.aims()]
        _say(options, "", "Aims", "====", *Table(title="", columns=AIM_COLUMNS, rows=rows).lines())
    _hand_over(options, run)
    return 1 if failed else 0


def _control(options: argparse.Namespace, run: Run, when: str) -> bool:
    """Whether there is a second core to give."""
    _progress(f"control {when}: one process, then two")
    found = control.measure(options.python, ROOT)
    line = f"{f'control {when}':<16}{found.describe()}"
    run.control = [*run.control, line]
    _say(options, line)
    return found.scales


def _hand_over(options: argparse.Namespace, run: Run) -> None:
    """Print or write what was asked for."""
    if options.json:
        print(json.dumps(run.as_json(), indent=1))
    folder: Path | None = getattr(options, "save", None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "benchmarks.json").write_text(json.dumps(run.as_json(), indent=1) + "\n")
        (folder / "benchmarks.html").write_text(page.page(run))
        _progress(f"wrote {folder / 'benchmarks.json'} and {folder / 'benchmarks.html'}")
    if getattr(options, "write_docs", False):
        DOCS.write_text(markdown.page(run))
        _progress(f"wrote {DOCS}")


def _show(options: argparse.Namespace) -> int:
    try:
        run = Run.from_json(json.loads(options.run.read_text()))
    except OSError as error:
        raise BenchError(f"{options.run}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(
            f"{options.run} is no saved run ({type(error).__name__}: {error}): "
            "give benchmarks.json of --save"
        ) from None
    if options.html is not None:
        options.html.write_text(page.page(run))
        _progress(f"wrote {options.html}")
    if not options.json:
        for line in (*run.heading, *run.control):
            print(line)
        for section in run.sections:
            print("\n".join(section.lines()))
    _hand_over(options, run)
    return 0


def _rpc(options: argparse.Namespace, head: dict[str, object], parallel: bool) -> Section:
    contenders = grpc_field(options.python, options.gil_python, threads=options.threads)
    if head["nghttpd"]:
        contenders += (static(options.gil_python),)
    else:
        _progress("nghttpd is missing, so no figure of the limit: apt-get install nghttp2-server")
    points = matrix.matrix(full=options.full)
    if options.workloads:
        points = tuple(point for point in points if point.workload in options.workloads)
    result = rpc_bench.run(
        contenders,
        points=points,
        rounds=options.rounds,
        seconds=options.seconds,
        parallel=parallel,
        root=ROOT,
        progress=_progress,
    )
    section = result.section(_again("rpc", options))
    if head["nghttpd"]:
        return section
    missing = "nghttpd was not there: apt-get install nghttp2-server."
    return replace(section, notes=(*section.notes, missing))


def _fairness(options: argparse.Namespace, _: dict[str, object], parallel: bool) -> Section:
    result = fairness_bench.run(
        grpc_field(options.python, options.gil_python, threads=options.threads),
        rounds=options.rounds,
        seconds=options.seconds,
        parallel=parallel,
        root=ROOT,
        progress=_progress,
    )
    return result.section(_again("fairness", options))


def _tools(options: argparse.Namespace, _: dict[str, object], parallel: bool) -> Section:
    result = tools_bench.run(
        grpc_field(options.python, options.gil_python, threads=options.threads, heavy=True),
        stock(PROCESSES, options.gil_python, kind="sync", threads=1, heavy=True),
        callers=options.threads,
        rounds=options.rounds,
        seconds=options.seconds,
        parallel=parallel,
        root=ROOT,
        progress=_progress,
    )
    return result.section(_again("tools", options))


def _scaling(options: argparse.Namespace, _: dict[str, object], parallel: bool) -> Section:
    result = scaling_bench.run(
        options.python,
        options.gil_python,
        cores=scaling_bench.usable_cores(),
        rounds=options.rounds,
        seconds=options.seconds,
        parallel=parallel,
        root=ROOT,
        progress=_progress,
    )
    return result.section(_again("scaling", options))


def _memory(options: argparse.Namespace, _: dict[str, object], __: bool) -> Section:
    result = memory_bench.run(
        options.python,
        options.gil_python,
        launches=options.launches,
        model_mib=options.model,
        rounds=options.rounds,
        root=ROOT,
        progress=_progress,
    )
    return result.section(_again("memory", options))


def _codec(options: argparse.Namespace, _: dict[str, object], __: bool) -> Section:
    result = codec_bench.run(
        options.python,
        options.gil_python,
        rounds=options.rounds,
        root=ROOT,
        progress=_progress,
    )
    return result.section(_again("codec", options))


def _startup(options: argparse.Namespace, _: dict[str, object], parallel: bool) -> Section:
    result = startup_bench.run(
        grpc_field(options.python, options.gil_python, threads=options.threads),
        rounds=options.rounds,
        parallel=parallel,
        root=ROOT,
        progress=_progress,
    )
    return result.section(_again("startup", options))


def _pool(options: argparse.Namespace, _: dict[str, object], __: bool) -> Section:
    result = pool_bench.run(
        options.python,
        calls=options.calls,
        seconds=options.wait,
        rounds=options.rounds,
        root=ROOT,
    )
    return result.section(_again("pool", options))


def _locks(options: argparse.Namespace, head: dict[str, object], parallel: bool) -> Section:
    if not head["h2load"]:
        _progress("h2load is missing, so no served call: apt-get install nghttp2-client")
    result = locks_bench.run(
        options.python,
        options.gil_python,
        rounds=options.rounds,
        served=bool(head["h2load"]),
        parallel=parallel,
        root=ROOT,
        progress=_progress,
    )
    return result.section(_again("locks", options))


type Runner = Callable[[argparse.Namespace, dict[str, object], bool], Section]


def _stress(options: argparse.Namespace, _: dict[str, object], parallel: bool) -> Section:
    result = stress_bench.run(
        options.python,
        seconds=options.seconds,
        rounds=options.rounds,
        root=ROOT,
        parallel=parallel,
        progress=_progress,
    )
    return result.section(_again("stress", options))


_RUNNERS: Final[dict[str, Runner]] = {
    "rpc": _rpc,
    "fairness": _fairness,
    "tools": _tools,
    "scaling": _scaling,
    "memory": _memory,
    "codec": _codec,
    "startup": _startup,
    "pool": _pool,
    "locks": _locks,
    "stress": _stress,
}


def _again(name: str, options: argparse.Namespace) -> str:
    """The command that runs this one again, as it was run."""
    words = ["./tools/bench", name]
    if options.quick:
        words.append("--quick")
    if options.full and name == "rpc":
        words.append("--full")
    return shlex.join([*words, "--rounds", str(options.rounds)])


def _soak(options: argparse.Namespace) -> int:
    """The exit status: 1 when a line of the table failed."""
    result = soak.run(
        options.python or soak.default_python(ROOT),
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


def _say(options: argparse.Namespace, *lines: str) -> None:
    if not options.json:
        for line in lines:
            print(line, flush=True)


def _progress(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def _ended(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)
