"""Runs a suite in three ways, each in a process of its own, and joins what they find.

Truly in parallel, again and again; under the race detector, which rewrites the modules under test;
under explored schedules. In processes of their own, since modules must not have been imported
before they are rewritten, and since a scenario that hangs cannot be ended otherwise.
"""

import ast
import importlib
import importlib.util
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Final, Literal

from ftstress import mutants
from ftstress.conversions import report_of_exploration, report_of_outcome
from ftstress.detection import NO_PROOF, observe
from ftstress.exploration import explore
from ftstress.findings import Explored, Finding, Location, Report, Side, gil_enabled, joined
from ftstress.importing import Instrumented, instrument
from ftstress.strategies import PCT
from ftstress.suites import SUITES
from ftstress.suppressions import Suppression, load
from ftstress.targets import TargetError

type Way = Literal["parallel", "races", "schedules"]
WAYS: Final[tuple[Way, ...]] = ("parallel", "races", "schedules")

HANG_SECONDS: Final = 30.0
"""A scenario takes milliseconds; one that takes longer than this is stuck."""

_PROCESS_SECONDS: Final = 600.0
# The race detector cannot rewrite what it stands on.
_BELOW: Final = ("ftlocks", "ftstress")

NOT_PROVED: Final = (
    "The scenarios of a suite are small and few: what they do not do is not looked at. A scenario "
    "that passes in parallel has passed in the orders in which its threads happened to run."
)


@dataclass(frozen=True, slots=True)
class Request:
    """What one process is to do.

    Args:
        seconds: for all scenarios of one way together.
        rounds: times each scenario is run in parallel; `iterations`: schedules of each.
        attempts: how often it all is done, each giving a report of its own.
        replaced: module -> file whose source takes its place.
        folder: where failing schedules are saved; "" for nowhere.
    """

    name: str
    way: Way
    seed: int = 0
    seconds: float = 10.0
    rounds: int = 200
    iterations: int = 300
    attempts: int = 1
    replaced: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""


def suite_report(
    name: str,
    *,
    seed: int = 0,
    seconds: float = 10.0,
    iterations: int = 300,
    ways: tuple[Way, ...] = WAYS,
    folder: str = "",
) -> Report:
    """Run a suite of `SUITES`.

    Raises:
        TargetError: there is no such suite.
        RuntimeError: its process ended without a report.
    """
    requests = [
        Request(name, way, seed, seconds, iterations=iterations, folder=folder)
        for way in ways
        if way != "races" or not _module_name(name).startswith(_BELOW)
    ]
    return joined(name, [report for request in requests for report in reports(request)])


def reports(request: Request) -> list[Report]:
    """One report for each attempt. Raises TargetError, RuntimeError."""
    _module_name(request.name)
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "request"), Path(folder, "reports")
        asked.write_bytes(pickle.dumps(request))
        ended = subprocess.run(
            [sys.executable, "-m", "ftstress.suite_runs", str(asked), str(answered)],
            capture_output=True,
            text=True,
            timeout=_PROCESS_SECONDS,
            check=False,
        )
        if not answered.exists():
            raise RuntimeError(
                f"the process of suite {request.name!r} ended with status {ended.returncode} and "
                f"without a report\n{ended.stdout}{ended.stderr}"
            )
        found: list[Report] = pickle.loads(answered.read_bytes())
        return found


def _module_name(name: str) -> str:
    try:
        return SUITES[name]
    except KeyError:
        raise TargetError(
            f"there is no suite {name!r}; there are {', '.join(sorted(SUITES))}"
        ) from None


# In the process of its own.


def _serve(request: Request) -> list[Report]:
    logging.disable(logging.CRITICAL)  # scenarios fail on purpose, and the pool logs it
    sources = {name: Path(file) for name, file in request.replaced.items()}
    with ExitStack() as stack:
        found: Instrumented | None = None
        if request.way == "races":
            found = instrument(_under_test(request.name))
        stack.enter_context(mutants.replaced(sources, rewritten=request.way == "races"))
        if request.way == "races":
            assert found is not None
            return [_races(request, found) for _ in range(request.attempts)]
        suite = importlib.import_module(_module_name(request.name))
        one = _parallel if request.way == "parallel" else _schedules
        return [
            one(replace(request, seed=request.seed + number), suite)
            for number in range(request.attempts)
        ]


def _under_test(name: str) -> list[str]:
    """`MODULES` of a suite, read without importing what it imports."""
    spec = importlib.util.find_spec(_module_name(name))
    assert spec is not None
    assert spec.origin is not None
    for statement in ast.parse(Path(spec.origin).read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "MODULES":
            return list(ast.literal_eval(statement.value))
    raise AssertionError(f"{name} has no MODULES")


def scenarios(suite: ModuleType) -> list[FunctionType]:
    """The public functions that a suite defines, in its order."""
    return [
        value
        for name, value in vars(suite).items()
        if isinstance(value, FunctionType)
        and value.__module__ == suite.__name__
        and not name.startswith("_")
    ]


class _HangError(Exception):
    """A scenario did not end."""


def _watched(scenario: Callable[[], object]) -> None:
    """Call it on a thread that may be left behind. Raises what it raises, or _HangError."""
    failures: list[BaseException] = []

    def call() -> None:
        try:
            scenario()
        except BaseException as error:  # noqa: BLE001  # raised below
            failures.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(HANG_SECONDS)
    if thread.is_alive():
        raise _HangError
    if failures:
        raise failures[0]


def _parallel(request: Request, suite: ModuleType) -> Report:
    begun = time.monotonic()
    every = scenarios(suite)
    findings: list[Finding] = []
    runs = 0
    before = sys.getswitchinterval()
    for scenario in every:
        limit = time.monotonic() + request.seconds / len(every)
        for number in range(request.rounds):
            if time.monotonic() > limit:
                break
            # Where there is a GIL, threads change places more often than it lets them.
            sys.setswitchinterval((1e-6, 1e-5, before)[number % 3])
            runs += 1
            try:
                _watched(scenario)
            except _HangError:
                findings.append(_hang(request, scenario))
                break
            except Exception as error:  # noqa: BLE001  # whatever a broken module raises
                findings.append(_failure(request, scenario, error))
                break
        if findings and findings[-1].kind == "deadlock":
            break  # what is left behind may hold what others need
    sys.setswitchinterval(before)
    doubts = ("the GIL was on: nothing ran in parallel",) if gil_enabled() else ()
    return Report(
        request.name,
        tuple(findings),
        (
            Explored(
                request.name,
                f"truly in parallel, {len(every)} scenarios",
                time.monotonic() - begun,
                runs=runs,
            ),
        ),
        (NOT_PROVED,),
        doubts,
    )


def _hang(request: Request, scenario: FunctionType) -> Finding:
    return Finding(
        "deadlock",
        f"{request.name}: {scenario.__name__}",
        f"did not end within {HANG_SECONDS:g} s",
        replay=_replay(request, "parallel"),
    )


def _failure(request: Request, scenario: FunctionType, error: Exception) -> Finding:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    stack: tuple[Location, ...] = ()
    if trace is not None:
        code = trace.tb_frame.f_code
        stack = (Location.at(code.co_filename, trace.tb_lineno, code.co_qualname),)
    return Finding(
        "invariant-broken" if isinstance(error, AssertionError) else "crash",
        f"{request.name}: {scenario.__name__}",
        f"{type(error).__name__}: {error}",
        sides=(Side("main", "raises it", stack),),
        explanation=(scenario.__doc__ or "").strip(),
        replay=_replay(request, "parallel"),
    )


def _replay(request: Request, way: Way) -> str:
    return f"python -m ftstress suites {request.name} --way {way} --seed {request.seed}"


def _meant(name: str) -> list[Suppression]:
    """What the rooms under test mean: beside the suite, in a file."""
    spec = importlib.util.find_spec(_module_name(name))
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).with_name("benign.toml")
    return load(file) if file.exists() else []


def _races(request: Request, modules: Instrumented) -> Report:
    begun = time.monotonic()
    broken: list[str] = []

    def program() -> None:
        # Imported here: locks that a module makes for itself are to be seen too.
        for scenario in scenarios(importlib.import_module(_module_name(request.name))):
            try:
                _watched(scenario)
            except Exception as error:  # noqa: BLE001  # without a lock it may break in this run
                broken.append(f"{scenario.__name__}: {type(error).__name__}: {error}")

    outcome = observe(program, modules, _meant(request.name))
    report = report_of_outcome(request.name, outcome, time.monotonic() - begun, NO_PROOF)
    findings = [replace(finding, replay=_replay(request, "races")) for finding in report.findings]
    findings += [
        Finding("crash", f"{request.name}: {text.partition(':')[0]}", text) for text in broken
    ]
    return replace(report, findings=tuple(findings))


def _schedules(request: Request, suite: ModuleType) -> Report:
    found = []
    every = scenarios(suite)
    for scenario in every:
        limit = time.monotonic() + request.seconds / len(every)
        target = f"{suite.__name__}:{scenario.__name__}"
        file = Path(request.folder or ".", f"{request.name}-{scenario.__name__}.json")
        done = explore(
            scenario,
            strategy=_Timed(request.seed, limit),
            iterations=request.iterations,
            modules=suite.MODULES,
            raises=False,
            races=False,  # a way of its own, and primitives read without a lock what they guard
            save=file if request.folder else None,
            target=target,
        )
        replay = f"python -m ftstress replay {file}" if request.folder else ""
        done = replace(done, is_complete=False)  # it ends with its time
        found.append(report_of_exploration(done, replay or _replay(request, "schedules")))
    return joined(request.name, found)


class _Timed(PCT):
    """PCT until a moment of the monotonic clock."""

    def __init__(self, seed: int, limit: float) -> None:
        super().__init__(seed=seed)
        self._limit = limit

    def begin(self, run: int) -> bool:
        return time.monotonic() < self._limit and super().begin(run)


def main(asked: str, answered: str) -> None:
    """Read the request, write the reports, and end whatever still runs."""
    request: Request = pickle.loads(Path(asked).read_bytes())
    Path(answered).write_bytes(pickle.dumps(_serve(request)))
    sys.stdout.flush()
    os._exit(0)  # threads of a scenario that hangs would keep the process


if __name__ == "__main__":
    # Under the name by which its classes are pickled.
    importlib.import_module("ftstress.suite_runs").main(*sys.argv[1:])
