"""Whole programs under the race detector: run as Python would run them, once or for a while.

Must never keep anything of one run for the next: a program that is run again starts with its own
modules not imported.
"""

import importlib.util
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

from ftstress import cache, importing
from ftstress.conversions import report_of_outcome
from ftstress.detection import NO_PROOF, Outcome, observe, run_file, wait_for_threads
from ftstress.findings import Report, deduplicated, joined
from ftstress.suppressions import Suppression


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be run, and where races are looked for.

    Args:
        target: a file, or with `is_module` a module's name, as for ``python -m``.
        patterns: of modules to look into besides its own.
    """

    target: str
    is_module: bool = False
    arguments: Sequence[str] = ()
    patterns: Sequence[str] = ()
    suppressions: Sequence[Suppression] = field(default=())

    def run(self) -> Outcome:
        """Run it once.

        Raises:
            OSError: it cannot be read; SyntaxError: it is no Python; ImportError: no such module.
        """
        if self.is_module:
            return run_module(self.target, self.arguments, self.patterns, self.suppressions)
        return run_file(Path(self.target), self.arguments, self.patterns, self.suppressions)


def run_module(
    name: str,
    arguments: Sequence[str] = (),
    patterns: Sequence[str] = (),
    suppressions: Sequence[Suppression] = (),
) -> Outcome:
    """Run a module as ``python -m`` does, and look for races in it and its package.

    Raises:
        ImportError: there is no such module, or it cannot be run; SyntaxError: it is no Python.
    """
    top = name.partition(".")[0]
    main = ModuleType("__main__")
    # The packages above it are imported already by looking for it, and must be seen.
    with (
        _as_main(main, [name, *arguments]),
        importing.instrumented([top, *patterns]) as modules,
    ):
        spec = _spec_to_run(name)
        assert spec.origin is not None
        sys.argv[0] = spec.origin
        code = cache.rewritten(Path(spec.origin).read_bytes(), spec.origin)
        main.__dict__.update(
            __file__=spec.origin,
            __spec__=spec,
            __package__=spec.parent,
            __loader__=spec.loader,
            __builtins__=__builtins__,
        )

        def program() -> None:
            strangers = threading.enumerate()
            exec(code, main.__dict__)
            wait_for_threads(strangers)

        return observe(program, modules, suppressions)


@contextmanager
def _as_main(main: ModuleType, arguments: list[str]) -> Iterator[None]:
    before = sys.modules["__main__"], sys.argv, list(sys.path)
    sys.modules["__main__"], sys.argv = main, arguments
    sys.path.insert(0, "")  # the present folder, as `python -m` does
    try:
        yield
    finally:
        sys.modules["__main__"], sys.argv, sys.path[:] = before


def _spec_to_run(name: str) -> importlib.machinery.ModuleSpec:
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
        if spec is None:
            raise ImportError(f"{name!r} is a package without a __main__ module")
    if spec is None:
        raise ImportError(f"no module named {name!r}")
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise ImportError(f"module {name!r} is no Python source: {spec.origin}")
    return spec


def run_for(
    program: Program,
    seconds: float = 0.0,
    seed: int | None = None,
    progress: Callable[[int, Report], None] | None = None,
) -> Report:
    """Run a program again and again until the time is over, at least once, and put together what
    was found. Its own modules are imported anew in each run.

    Args:
        seed: of `random` in the first run; each further one gets the next number. None leaves
            `random` alone.
        progress: called after each run with the number of runs and the report up to now.
    """
    started = perf_counter()
    report: Report | None = None
    runs = 0
    while report is None or perf_counter() - started < seconds:
        if seed is not None:
            random.seed(seed + runs)
        before = dict(sys.modules)
        began = perf_counter()
        outcome = program.run()
        runs += 1
        this = report_of_outcome(program.target, outcome, perf_counter() - began, NO_PROOF)
        if seed is not None:
            (part,) = this.explored
            this = replace(this, explored=(replace(part, seeds=(seed + runs - 1,)),))
        report = this if report is None else _both(report, this)
        _forget(outcome.instrumented, before)
        if progress is not None:
            progress(runs, report)
    return replace(
        report,
        findings=deduplicated(report.findings),
        benign=deduplicated(report.benign),
    )


def _both(first: Report, second: Report) -> Report:
    """The reports of two runs of the same program as one, with one account of what was seen."""
    (one,), (two,) = first.explored, second.explored
    explored = replace(
        one,
        seconds=one.seconds + two.seconds,
        runs=one.runs + two.runs,
        operations=one.operations + two.operations,
        threads=max(one.threads, two.threads),
        seeds=one.seeds + two.seeds,
        modules=tuple(dict.fromkeys(one.modules + two.modules)),
    )
    return replace(joined(first.title, [first, second]), explored=(explored,))


def _forget(names: Sequence[str], before: dict[str, Any]) -> None:
    for name in names:
        if name != "__main__" and name not in before:
            sys.modules.pop(name, None)
