"""Object tests: is what threads see of an object explained by some order of their calls?

Declare the operations and a sequential model; histories are made at random from a seed, run in
parallel, recorded in real time and checked for linearizability (`ftstress.linearizability`), as
Lincheck does for Kotlin. `docs/outcomes.md` is the guide, `ftstress objects` the command.

Must never print.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ftstress.linearizability import Operation, Verdict, check, shortened
from ftstress.object_tests import (
    Call,
    ObjectTest,
    ObjectTestError,
    Plan,
    Recording,
    Script,
    choice,
    integers,
    operation,
    planned,
    smaller,
)
from ftstress.schedule import interpreter
from ftstress.sequential import NotYet
from ftstress.trials import Pace, run_batch, timing

__all__ = [
    "Call",
    "HistoryFailure",
    "NotYet",
    "ObjectResult",
    "ObjectTest",
    "ObjectTestError",
    "choice",
    "integers",
    "operation",
    "run",
]

# How often a script is run before the next one: a race needs luck with each.
REPEATS: Final = 40
# Runs of a smaller script before it is taken for one that does not fail, and seconds for all of
# them together.
_SHRINKING_RUNS: Final = 2000
_SHRINKING_SECONDS: Final = 5.0

NOT_PROVED: Final = (
    "A pass means that each of these histories has an order that explains it. It says nothing "
    "about other calls, longer histories or timings that did not come up; --explore forces the "
    "rare ones."
)


@dataclass(frozen=True, slots=True)
class HistoryFailure:
    """A history that no order explains.

    Args:
        history: the part of it that shows the failure. recorded: all of it.
        verdict: the check of `history`: how far an order goes, and what then does not fit.
        script: the calls of the smallest script found that fails; `first` is the one that did.
    """

    history: tuple[Operation, ...]
    recorded: tuple[Operation, ...]
    verdict: Verdict
    script: Script
    first: Script


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """What came of an object test.

    Args:
        histories: that were recorded and checked, of `scripts` different scripts.
        operations: in all of them together. visited: states that the checks looked at.
        gil: whether it was on at the end of the run.
    """

    test: str
    summary: str
    histories: int
    scripts: int
    operations: int
    visited: int
    seconds: float
    seed: int
    interpreter: str
    gil: bool
    failure: HistoryFailure | None = None

    @property
    def status(self) -> int:
        """For CI: 0 passed, 1 a history that no order explains, 2 the run proves nothing."""
        return 1 if self.failure is not None else 2 if self.gil or not self.histories else 0


class _Scripts:
    """Makes the recordings of a batch, each script some times in a row."""

    def __init__(self, plan: Plan, source: random.Random, repeats: int) -> None:
        self._plan = plan
        self._source = source
        self._repeats = repeats
        self._left = 0
        self._script: Script = ()
        self.made = 0

    def __call__(self) -> Recording:
        if not self._left:
            self._script = self._plan.script(self._source)
            self._left = self._repeats
            self.made += 1
        self._left -= 1
        return Recording(self._plan, self._script, time.perf_counter_ns)


def run(
    test: type[ObjectTest],
    *,
    seconds: float | None = 1.0,
    count: int | None = None,
    seed: int = 0,
    chaos: bool = True,
    repeats: int = REPEATS,
    patience: float = 20.0,
    shrink: bool = True,
    progress: Callable[[int], None] | None = None,
) -> ObjectResult:
    """Run random histories in parallel until one cannot be explained, or a limit is reached.

    Args:
        seconds, count: of the histories; either may be None.
        seed: of the scripts and timings.
        repeats: how often each script is run.
        patience: seconds after which threads that have not returned count as stuck.
        shrink: look for a smaller script that fails, some seconds long.

    Raises:
        ObjectTestError: the test is not one.
    """
    plan = planned(test)
    source = random.Random(seed)
    scripts = _Scripts(plan, random.Random(seed), repeats)
    pace = Pace(seconds, count)
    checked = operations = visited = 0
    failure = None
    while failure is None and (size := pace.next()):
        started = time.perf_counter()
        recorded, stuck = _batch(plan, scripts, size, source, chaos=chaos, patience=patience)
        for recording, history in recorded:
            verdict = check(history, plan.spec)
            checked += 1
            operations += len(history)
            visited += verdict.visited
            if verdict.order is None:
                failure = recording.script, history
                break
        pace.ran(len(recorded), time.perf_counter() - started)
        if progress is not None:
            progress(pace.trials)
        if stuck:
            break  # its threads are still there, and would disturb what comes after
    elapsed = pace.elapsed
    return ObjectResult(
        plan.name,
        plan.summary,
        checked,
        scripts.made,
        operations,
        visited,
        elapsed,
        seed,
        interpreter(),
        sys._is_gil_enabled(),
        None if failure is None else _smallest(plan, *failure, source, chaos, shrink and not stuck),
    )


def _batch(
    plan: Plan,
    make: Callable[[], Recording],
    size: int,
    source: random.Random,
    *,
    chaos: bool,
    patience: float,
) -> tuple[list[tuple[Recording, tuple[Operation, ...]]], bool]:
    threads = plan.test.threads
    batch = run_batch(
        make,
        [_player(number) for number in range(threads)],
        size,
        timing(source, threads, chaos=chaos),
        source,
        patience=patience,
    )
    last = len(batch.trials) - 1
    return [
        (recording, recording.history(plan, is_stuck=batch.is_stuck and place == last))
        for place, (recording, _) in enumerate(batch.trials)
    ], batch.is_stuck


def _player(thread: int) -> Callable[[Recording], None]:
    def play(recording: Recording) -> None:
        recording.play(thread)

    return play


def _smallest(
    plan: Plan,
    script: Script,
    history: tuple[Operation, ...],
    source: random.Random,
    chaos: bool,
    shrink: bool,
) -> HistoryFailure:
    first, recorded = script, history
    until = time.perf_counter() + (_SHRINKING_SECONDS if shrink else 0.0)
    candidates = smaller(script)
    while time.perf_counter() < until:
        candidate = next(candidates, None)
        if candidate is None:
            break
        found = _failing(plan, candidate, source, chaos, until)
        if found is not None:
            script, recorded = candidate, found
            candidates = smaller(script)
    short = shortened(recorded, plan.spec)
    return HistoryFailure(short, recorded, check(short, plan.spec), script, first)


def _failing(
    plan: Plan, script: Script, source: random.Random, chaos: bool, until: float
) -> tuple[Operation, ...] | None:
    """A history of the script that cannot be explained, if one comes up."""

    def again() -> Recording:
        return Recording(plan, script, time.perf_counter_ns)

    runs = 0
    while runs < _SHRINKING_RUNS and time.perf_counter() < until:
        recorded, stuck = _batch(plan, again, 100, source, chaos=chaos, patience=20.0)
        for _, history in recorded:
            if check(history, plan.spec).order is None:
                return history
        if stuck:
            break
        runs += len(recorded)
    return None
