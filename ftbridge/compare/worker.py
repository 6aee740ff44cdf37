"""`python -m ftbridge.compare.worker JOB`: runs a job in this interpreter, figure by figure.

Reads one command a line as JSON, answers each with one line of JSON; ends with its input. What the
job prints goes to standard error. The first line says what it runs on, or why it cannot.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

from ftbridge.builds import BuildError
from ftbridge.compare.target import Job, Target, load
from ftbridge.cpuprofile import CpuSampler
from ftbridge.guard import GilGuard
from ftlocks import profile
from ftlocks.profiler.instrument import Instrumentation
from ftlocks.profiler.report import place_of
from ftstress.measuring import measure

_PLACES: Final = 5  # locks, functions and lines that are told


class WorkerError(BuildError):
    """A job failed in a worker; the text has what it said."""


def main() -> int:
    """Serve commands until the input ends; 1 when the job cannot be loaded."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    guard = GilGuard(allow_gil=True)
    instrumentation = Instrumentation(spare=("ftstress", "ftbridge"), waits=False)
    if "--locks" in sys.argv[2:]:
        instrumentation.install()  # before the job is imported, or its locks are not seen
    try:
        with guard.loading():
            target = load(Job.from_json(sys.argv[1]))
        before = _wall_and_cpu()
        target.workload().run()
        first = _wall_and_cpu()
    except Exception as error:  # noqa: BLE001  the job's own code may raise anything
        _tell(answers, _failure(error))
        return 1
    _tell(
        answers,
        {
            "gil": sys._is_gil_enabled(),
            "gil_modules": [] if guard.trip is None else list(guard.trip.modules),
            "samples": target.samples,
            "first_seconds": first[0] - before[0],
        },
    )
    for line in sys.stdin:
        command = json.loads(line)
        try:
            _tell(answers, _COMMANDS[command.pop("do")](target, **command))
        except Exception as error:  # noqa: BLE001
            _tell(answers, _failure(error))
    return 0


def _tell(answers: Any, value: dict[str, Any]) -> None:
    print(json.dumps(value), file=answers, flush=True)


def _failure(error: Exception) -> dict[str, Any]:
    return {
        "error": f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }


def _wall_and_cpu() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _measure(target: Target, threads: int, shared: bool, seconds: float) -> dict[str, Any]:
    """Operations a second, and how many cores' worth of CPU time that took."""
    wall, cpu = _wall_and_cpu()
    figure = measure(target.workload, threads, shared, seconds)
    ended = _wall_and_cpu()
    return {
        "rate": figure.rate,
        "cores": (ended[1] - cpu) / max(ended[0] - wall, 1e-9),
        "memory": _resident_bytes(),
        "gil": sys._is_gil_enabled(),
    }


def _locks(target: Target, threads: int, seconds: float) -> dict[str, Any]:
    """The share of all threads' time that was spent waiting for locks, and for which, where."""
    with profile(events=0) as run:
        measure(target.workload, threads, True, seconds)
    report = run.report()
    whole = threads * seconds * 1e9
    locks = [
        {
            "label": lock.label,
            "share": min(1.0, lock.waiting_ns / whole),
            "waited_at": place_of(lock.places[0].stack) if lock.places else "?",
            "held_at": place_of(lock.holders[0].stack) if lock.holders else "",
        }
        for lock in report.locks[:_PLACES]
        if lock.waiting_ns
    ]
    return {"share": min(1.0, report.waiting_ns / whole), "locks": locks}


def _cpu(target: Target, threads: int, seconds: float) -> dict[str, Any]:
    """Where CPU time goes, in functions."""
    with CpuSampler(rate=200) as sampler:
        measure(target.workload, threads, True, seconds)
    found = sampler.profile()
    whole = max(1, found.sampled_ns)
    functions = [
        {
            "function": hot.function,
            "file": hot.file,
            "self": hot.self_ns / whole,
        }
        for hot in found.functions()
        if hot.self_ns and "/ftstress/" not in hot.file
    ]
    return {"samples": found.samples, "functions": functions[:_PLACES]}


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


_COMMANDS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "measure": _measure,
    "locks": _locks,
    "cpu": _cpu,
}


if __name__ == "__main__":
    sys.exit(main())
