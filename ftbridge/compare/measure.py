"""Has workers of both builds take turns, and collects their figures.

One worker of each build lives for the whole comparison, so that every round finds it warm; which
build goes first alternates. Must never judge a figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

from ftbridge.builds import Build
from ftbridge.compare.result import FREE, GIL, Comparison, HotFunction, HotLock
from ftbridge.compare.target import Job
from ftbridge.compare.worker import WorkerError
from ftstress.machine import Control, control
from ftstress.scaling import Series

ANSWER_SECONDS: Final = 120.0
"""For one answer beyond the seconds that it measures: a job may need long to load."""


class Worker:
    """A process of one build that runs the job; use it in a `with` block.

    Attributes:
        hello: what it said of itself: gil, gil_modules, samples, first_seconds.
    """

    def __init__(self, build: Build, job: Job, *, locks: bool = False) -> None:
        self._name = str(build)
        self._process = subprocess.Popen(
            [
                *(str(build.python), "-m", "ftbridge.compare.worker", job.as_json()),
                *(("--locks",) if locks else ()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # As the parent's: an adapter found from here is found there, too.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, _search_path()))},
        )
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.hello: dict[str, Any] = {}

    def __enter__(self) -> Worker:
        try:
            self.hello = self._answer(0.0)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        """Have it do something; its answer. Raises WorkerError."""
        self.begin(do, **options)
        return self._answer(float(options["seconds"]))

    def begin(self, do: str, **options: Any) -> None:
        """Have it do something; `finish` has the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **options}) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._failure("ended early") from None

    def finish(self, seconds: float) -> dict[str, Any]:
        """The answer to `begin`. Raises WorkerError."""
        return self._answer(seconds)

    def close(self) -> None:
        """End it; no error when it has ended."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # what was still to be written to it

    def _answer(self, seconds: float) -> dict[str, Any]:
        limit = threading.Timer(seconds * 8 + ANSWER_SECONDS, self._process.kill)
        limit.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        finally:
            limit.cancel()
        if not line:
            self._process.wait()
            self._listener.join()  # its last words
            raise self._failure("ended, or took too long")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise self._failure(found["error"], found["traceback"])
        return found

    def _failure(self, reason: str, traceback: str = "") -> WorkerError:
        said = (traceback or "".join(self._said[-20:])).strip()
        return WorkerError(f"on {self._name}: {reason}" + (f"\n{said}" if said else ""))

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            del self._said[:-200]


def compare(
    job: Job,
    free: Build,
    gil: Build,
    *,
    threads: Sequence[int],
    rounds: int,
    seconds: float,
    tell: Callable[[str], None] = lambda _: None,
    machine: Callable[[], Control] = control,
) -> Comparison:
    """Measure a job on both builds.

    Args:
        threads: numbers of threads, ascending from 1.
        rounds: of all figures; the builds take turns to be first.
        seconds: of each figure.
        tell: what is being done, for a progress display.
        machine: the control run.

    Raises:
        WorkerError: the job cannot be loaded or failed, on the build that is named.
    """
    tell("the machine: one process, then two")
    limits = machine()
    most = threads[-1]
    rates: dict[str, dict[tuple[int, bool], list[float]]] = {FREE: {}, GIL: {}}
    processes: list[float] = []
    memory = {FREE: 0, GIL: 0}
    cores: dict[str, list[float]] = {FREE: [], GIL: []}
    gil_on = False
    with ExitStack() as stack:
        tell("loading on both builds")
        workers = {
            name: stack.enter_context(Worker(build, job))
            for name, build in ((FREE, free), (GIL, gil))
        }
        fleet = [stack.enter_context(Worker(free, job)) for _ in range(most)] if most > 1 else []
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}")
            for name in (FREE, GIL) if number % 2 == 0 else (GIL, FREE):
                for count, shared in _variants(threads):
                    found = workers[name].ask(
                        "measure", threads=count, shared=shared, seconds=seconds
                    )
                    rates[name].setdefault((count, shared), []).append(found["rate"])
                    memory[name] = max(memory[name], found["memory"])
                    if count == 1:
                        cores[name].append(found["cores"])
                    gil_on = gil_on or (name == FREE and found["gil"])
            if fleet:
                processes.append(_together(fleet, seconds))
        hello = workers[FREE].hello
    waiting, functions = _reasons(free, job, most, seconds, tell)
    return Comparison(
        job=job,
        builds={FREE: str(free), GIL: str(gil)},
        samples=tuple(hello["samples"]),
        control=limits,
        free=Series(rates[FREE]),
        gil=Series(rates[GIL]),
        processes=tuple(processes),
        memory=memory,
        cores={name: sorted(each)[len(each) // 2] for name, each in cores.items()},
        gil_on=gil_on or hello["gil"],
        gil_modules=tuple(hello["gil_modules"]),
        waiting=waiting["share"],
        locks=tuple(HotLock(**each) for each in waiting["locks"]),
        functions=tuple(
            HotFunction(each["function"], each["file"], each["self"])
            for each in functions["functions"]
        ),
        cpu_samples=functions["samples"],
        rounds=rounds,
        seconds=seconds,
    )


def _variants(threads: Sequence[int]) -> Iterator[tuple[int, bool]]:
    # One instance for all, and an instance each; with one thread that is the same.
    for count in threads:
        if count > 1:
            yield count, True
        yield count, False


def _together(fleet: list[Worker], seconds: float) -> float:
    """Passes a second of all these processes at once."""
    for worker in fleet:
        worker.begin("measure", threads=1, shared=False, seconds=seconds)
    return sum(float(worker.finish(seconds)["rate"]) for worker in fleet)


def _reasons(
    free: Build, job: Job, most: int, seconds: float, tell: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The profiles, in processes of their own: they cost time, so none of it in the figures."""
    tell("which locks are waited for")
    with Worker(free, job, locks=True) as worker:
        waiting = worker.ask("locks", threads=most, seconds=seconds)
    tell("where CPU time goes")
    with Worker(free, job) as worker:
        functions = worker.ask("cpu", threads=most, seconds=max(1.0, seconds))
    return waiting, functions


def _search_path() -> list[str]:
    given = os.environ["PYTHONPATH"].split(os.pathsep) if "PYTHONPATH" in os.environ else []
    return [os.getcwd(), *given] if not sys.flags.safe_path else given  # noqa: PTH109
