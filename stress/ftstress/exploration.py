"""`explore()` and `replay()`: look through the schedules of a test, and run one of them again.

Must never print: what there is to say is in what is returned or raised.
"""

import gc
import random
import sys
import types
from _thread import allocate_lock
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final, Self

from ftstress import events, sync
from ftstress.control import Run, reached, turned
from ftstress.findings import ScheduleTable
from ftstress.minimise import fewest
from ftstress.places import CodeMap, Granularity, codes_of, functions_of, modules_named
from ftstress.recoding import Recoded
from ftstress.schedule import (
    Decision,
    Follow,
    ReplayDivergedError,
    Schedule,
    Settings,
    decisions_in,
    interpreter,
)
from ftstress.strategies import BoundedDFS, Strategy, strategy_named
from ftstress.substitute import Substitution, waits_for_work
from ftstress.switching import Switch
from ftstress.table import steps_of, table
from ftstress.tasks import Chooser, Failure, Timeouts
from ftstress.tracer import Tracer

# Runs that making a failing schedule shorter may take.
MINIMISING_RUNS: Final = 300

_in_use: Final = allocate_lock()

NOT_PROVED: Final = (
    "A pass means that none of these schedules failed. It says nothing about schedules that were "
    "not run, about code outside the watched modules, or about what C code does inside one call."
)


class ScheduleFailure(AssertionError):  # noqa: N818  # like AssertionError, it is a test's result
    """A test fails in some schedule.

    Args:
        schedule: to be saved, and run again with `replay()`.
        failure: what happened.
        steps: the run, one column a thread, one row a step; `table`: the same as text.
        is_reproducible: whether the schedule failed in the same way again.
    """

    def __init__(
        self,
        schedule: Schedule,
        steps: ScheduleTable,
        is_reproducible: bool,
        found: str,
        saved: str = "",
    ) -> None:
        self.schedule = schedule
        self.failure = schedule.failure
        self.steps = steps
        self.table = table(steps)
        self.is_reproducible = is_reproducible
        parts = [str(self.failure), found, "", self.table]
        if not is_reproducible:
            parts.append(
                "The same schedule did not fail again: the test depends on something else than its "
                "schedule (the time of day, random numbers, the order of sets, earlier runs)."
            )
        elif saved:
            parts.append(f"again: python -m ftstress replay {saved}")
        super().__init__("\n".join(parts))


@dataclass(frozen=True, slots=True)
class Exploration:
    """What `explore()` did.

    Args:
        runs: schedules that were run, and `distinct` of them that differ in their switches.
        threads: most threads in a run. `steps`: most steps in a run.
        is_complete: the strategy has run all there is within its bounds.
        failure: the failing schedule, if there was one.
        seed: of a strategy that draws.
    """

    target: str
    strategy: str
    runs: int
    distinct: int
    threads: int
    steps: int
    seconds: float
    is_complete: bool
    failure: ScheduleFailure | None
    seed: int | None = None

    def __str__(self) -> str:
        speed = self.runs / self.seconds if self.seconds else 0.0
        end = "no failure" if self.failure is None else f"failed: {self.failure.failure}"
        text = (
            f"{self.target}: {end}\n"
            f"{self.runs} schedules ({self.distinct} distinct, {speed:.0f}/s, "
            f"{self.threads} threads, up to {self.steps} steps)\n{self.strategy}"
        )
        return text if self.failure is not None else f"{text}\n{NOT_PROVED}"


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of running a schedule again.

    Args:
        times: how often it was run, and `reproduced` of these failed as was saved.
        failure: the last run's; None when that did not fail.
        table: the last run.
    """

    times: int
    reproduced: int
    failure: Failure | None
    table: str

    @property
    def is_same(self) -> bool:
        """Whether every run failed as was saved."""
        return self.reproduced == self.times


class Laboratory:
    """A test with everything that is needed to run it under schedules, many times."""

    def __init__(self, test: Callable[[], object], settings: Settings) -> None:
        self.test = test
        self.settings = settings
        modules = modules_named(settings.modules)
        self._modules = modules
        home = sys.modules[test.__module__] if test.__module__ in sys.modules else None
        self._patched = [*modules, *([home] if home is not None else [])]
        targets: list[types.ModuleType | object] = [*modules, test]
        if home is not None and home not in modules:
            targets.append(home)
        self._recoded = Recoded(functions_of(*targets))
        with self._recoded:
            self.codes = CodeMap(codes_of(*targets), settings.granularity)
        self._substitution = Substitution(self._patched)
        self._tracer = Tracer(self.codes, reached, turned)
        self._switch = Switch(self.codes)

    def __enter__(self) -> Self:
        """Begin to watch the code under test, and to model what it waits in."""
        # What is put in the place of the originals is there for the whole process.
        if not _in_use.acquire(False):
            raise RuntimeError("another test is being explored in this process; wait for it")
        self._undo = ExitStack()
        try:
            self._undo.callback(_in_use.release)
            self._undo.enter_context(self._recoded)
            self._undo.enter_context(self._tracer)
            sync.install()
            self._undo.callback(sync.uninstall)
            self._undo.enter_context(self._substitution)
            events.subscribe(self._switch)
            self._undo.callback(events.unsubscribe, self._switch)
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._undo.close()

    def run(self, chooser: Chooser) -> Run:
        """One run."""
        run = Run(
            chooser,
            self.codes,
            max_steps=self.settings.max_steps,
            timeouts=self.settings.timeouts,
            excused=waits_for_work,
        )
        # A collection runs finalizers wherever it happens to come, and `random` is state that
        # outlives a run; both would make two runs of a schedule differ.
        collects = gc.isenabled()
        gc.disable()
        state = random.getstate()
        random.seed(0)
        try:
            self._substitution.renew()
            run.execute(self.test)
        finally:
            random.setstate(state)
            if collects:
                gc.enable()
        return run

    def follow(self, schedule: Schedule) -> tuple[Run, Follow]:
        """A run by a schedule's decisions, as far as they come up."""
        follow = Follow(schedule.decisions)
        return self.run(follow), follow


def explore(
    test: Callable[[], object],
    *,
    strategy: str | Strategy = "pct",
    iterations: int = 1000,
    seconds: float | None = None,
    seed: int = 0,
    modules: Iterable[str] = (),
    granularity: Granularity = "operation",
    timeouts: Timeouts = "idle",
    max_steps: int = 20_000,
    minimise: bool = True,
    raises: bool = True,
    save: str | Path | None = None,
    target: str = "",
    progress: Callable[[int], None] | None = None,
) -> Exploration:
    """Run `test` under many schedules of its threads, until one fails.

    The test makes its own state, starts its threads, joins them and asserts; it is called for every
    schedule and must do the same in each but for its threads' order. A failure is an exception
    that nobody caught, on any thread; a deadlock; or a run of more than `max_steps` steps.

    Args:
        strategy: "pct", "random", "dfs", "dpor", or an object of `ftstress.strategies`.
        iterations: schedules to run at most. seconds: after which no further one is begun.
        seed: of "pct" and "random".
        modules: names of imported modules where threads are switched too, besides the test's own
            (``package.*`` for all of a package).
        granularity: "operation" switches within a line as well (``n += 1`` is two operations).
        timeouts: "idle": a timeout runs out when nothing else can happen; "any": at any moment.
        minimise: look for the fewest switches that make it fail.
        raises: raise the failure; otherwise it is in `Exploration.failure`.
        save: file to write the failing schedule to.
        target: how the command line finds the test; ``module:function`` by default.
        progress: called with the number of runs after each.

    Raises:
        ScheduleFailure: the test fails in some schedule (with `raises`).
        UncontrolledError: a thread blocks in something that is not modelled.
        NondeterminismError: depth first only: the test differs in the same schedule.
    """
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, got {iterations!r}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be above 0, got {seconds!r}")
    chosen = strategy_named(strategy, seed) if isinstance(strategy, str) else strategy
    settings = Settings(granularity, timeouts, max_steps, tuple(modules))
    laboratory = Laboratory(test, settings)
    target = target or f"{test.__module__}:{test.__qualname__}"
    seen: set[int] = set()
    runs = threads = steps = 0
    complete = False
    failing: Run | None = None
    started = perf_counter()
    failure = None
    with laboratory:
        while runs < iterations:
            if runs and seconds is not None and perf_counter() - started >= seconds:
                break
            if not chosen.begin(runs):
                complete = True
                break
            run = laboratory.run(chosen)
            runs += 1
            seen.add(hash(tuple(decisions_in(run.steps))))
            threads = max(threads, len(run.tasks))
            steps = max(steps, len(run.steps))
            if progress is not None:
                progress(runs)
            if run.failure is not None:
                failing = run
                break
        seconds = perf_counter() - started
        if failing is not None:
            failure = _explain(laboratory, failing, target, chosen, runs, minimise, save)
    if failure is not None and raises:
        raise failure
    return Exploration(
        target,
        chosen.describe(),
        runs,
        len(seen),
        threads,
        steps,
        seconds,
        complete,
        failure,
        getattr(chosen, "seed", None),
    )


def _explain(
    laboratory: Laboratory,
    run: Run,
    target: str,
    strategy: Strategy,
    runs: int,
    minimise: bool,
    save: str | Path | None,
) -> ScheduleFailure:
    assert run.failure is not None
    schedule = Schedule(
        target,
        run.failure,
        tuple(decisions_in(run.steps)),
        laboratory.settings,
        {"strategy": strategy.name, **strategy.parameters(), "run": runs},
        interpreter(),
    )
    first = len(schedule.decisions)
    again, follow = laboratory.follow(schedule)
    reproducible = _same(again, schedule) and not follow.unused
    found = f"found by run {runs} ({strategy.describe()})"
    if reproducible:
        if minimise:
            schedule, again = _minimised(laboratory, schedule, again)
            found += f"; switches: {first}, needed: {len(schedule.decisions)}"
        run = again
        assert run.failure is not None
        schedule = Schedule(
            schedule.target,
            run.failure,
            schedule.decisions,
            schedule.settings,
            schedule.strategy,
            schedule.found_with,
        )
    if save is not None:
        Path(save).write_text(schedule.to_json(), encoding="utf-8")
    return ScheduleFailure(
        schedule, steps_of(run), reproducible, found, "" if save is None else str(save)
    )


def _minimised(laboratory: Laboratory, schedule: Schedule, run: Run) -> tuple[Schedule, Run]:
    left = MINIMISING_RUNS

    def needed(decisions: list[Decision]) -> list[Decision] | None:
        nonlocal left
        left -= 1
        again, _ = laboratory.follow(schedule.with_decisions(decisions))
        # What the run really took: decisions that never came up are gone.
        return decisions_in(again.steps) if _alike(again, schedule) else None

    decisions = fewest(list(schedule.decisions), needed, left)
    # Leaving out is not all: other switches, and fewer, may do the same.
    search = BoundedDFS(min(2, len(decisions) - 1)) if len(decisions) > 1 else None
    tried = 0
    while search is not None and tried < left and search.begin(tried):
        again = laboratory.run(search)
        tried += 1
        other = decisions_in(again.steps)
        if _alike(again, schedule) and len(other) < len(decisions):
            decisions = other
            if len(decisions) == 1:
                break
    shorter = schedule.with_decisions(decisions)
    again, follow = laboratory.follow(shorter)
    if not _alike(again, schedule) or follow.unused:
        return schedule, run
    return shorter, again


def _same(run: Run, schedule: Schedule) -> bool:
    return run.failure is not None and run.failure.signature == schedule.failure.signature


def _alike(run: Run, schedule: Schedule) -> bool:
    """The same mishap, perhaps to another thread."""
    return run.failure is not None and run.failure.signature[:2] == schedule.failure.signature[:2]


def load(path_or_text: str | Path) -> Schedule:
    """A schedule from a file, or from its text."""
    if isinstance(path_or_text, str) and path_or_text.lstrip().startswith("{"):
        return Schedule.from_json(path_or_text)
    return Schedule.from_json(Path(path_or_text).read_text(encoding="utf-8"))


def replay(path_or_text: str | Path, test: Callable[[], object], *, times: int = 1) -> Replay:
    """Run `test` again under a saved schedule.

    Raises:
        ScheduleFormatError: it is no schedule.
        ReplayDivergedError: a switch of the schedule never came up, and the test did not fail in
            the same way: the code has changed where the schedule switches, or the test depends on
            more than its schedule.
    """
    schedule = load(path_or_text)
    if times < 1:
        raise ValueError(f"times must be at least 1, got {times!r}")
    reproduced = 0
    with Laboratory(test, schedule.settings) as laboratory:
        for _ in range(times):
            run, follow = laboratory.follow(schedule)
            reproduced += _same(run, schedule)
    if follow.unused and not _same(run, schedule):
        missing = "\n".join(
            f"  {decision.moment}: {decision.text}" for decision in follow.unused.values()
        )
        happened = "the test passed" if run.failure is None else f"instead: {run.failure}"
        raise ReplayDivergedError(
            f"the schedule does not fit {schedule.target} any more: {happened}; these switches "
            f"never came up:\n{missing}"
        )
    return Replay(times, reproduced, run.failure, table(steps_of(run)))
