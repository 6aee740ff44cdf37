"""`explore()` and `replay()`: look through the schedules of a test, and run one of them again.

Must never print: what there is to say is in what is returned or raised.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from ftstress.control import Run
from ftstress.fasttrack import RaceDetector
from ftstress.findings import ScheduleTable
from ftstress.laboratory import Laboratory
from ftstress.minimise import fewest
from ftstress.places import Granularity
from ftstress.races import Race
from ftstress.schedule import (
    Decision,
    ReplayDivergedError,
    Schedule,
    Settings,
    decisions_in,
    interpreter,
)
from ftstress.schedule_races import RaceInSchedule, failure_of, told
from ftstress.strategies import BoundedDFS, Strategy, strategy_named
from ftstress.table import steps_of, table
from ftstress.tasks import Failure, Timeouts

# Runs that making a failing schedule shorter may take.
MINIMISING_RUNS: Final = 300

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
        races: seen by happens-before in any of the runs, whether or not it failed.
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
    races: tuple[RaceInSchedule, ...] = ()

    def __str__(self) -> str:
        speed = self.runs / self.seconds if self.seconds else 0.0
        end = "no failure" if self.failure is None else f"failed: {self.failure.failure}"
        text = (
            f"{self.target}: {end}\n"
            f"{self.runs} schedules ({self.distinct} distinct, {speed:.0f}/s, "
            f"{self.threads} threads, up to {self.steps} steps)\n{self.strategy}"
        )
        text = "\n\n".join([text, *(race.text for race in self.races)])
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
    races: bool = True,
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
        races: look for races by happens-before in each run; they are in `Exploration.races`.

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
    found: dict[Failure, tuple[Race, int, list[Decision]]] = {}
    started = perf_counter()
    failure = None
    with laboratory:
        while runs < iterations:
            if runs and seconds is not None and perf_counter() - started >= seconds:
                break
            if not chosen.begin(runs):
                complete = True
                break
            detector = RaceDetector() if races else None
            run = laboratory.run(chosen, detector)
            runs += 1
            if detector is not None:
                for race in told(detector):
                    found.setdefault(failure_of(race), (race, runs, decisions_in(run.steps)))
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
        shown = tuple(
            _shown(
                laboratory,
                race,
                Schedule(
                    target,
                    what,
                    tuple(switches),
                    settings,
                    _found_by(chosen, number),
                    interpreter(),
                ),
            )
            for what, (race, number, switches) in found.items()
        )
    if failure is None and shown and save is not None:
        Path(save).write_text(shown[0].schedule.to_json(), encoding="utf-8")
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
        shown,
    )


def _shown(laboratory: Laboratory, race: Race, schedule: Schedule) -> RaceInSchedule:
    """The race with the schedule that found it, or without a switch where it needs none."""
    plain = schedule.with_decisions(())
    if schedule.decisions and _same(laboratory.follow(plain)[0], plain):
        schedule = plain
    return RaceInSchedule(race, schedule)


def _found_by(strategy: Strategy, run: int) -> dict[str, Any]:
    return {"strategy": strategy.name, **strategy.parameters(), "run": run}


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
        _found_by(strategy, runs),
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
