"""Litmus tests: what can come of a few functions that run at the same moment, and how often.

As `jcstress` has them for Java: a *state*, *actors* that work on it at once, an *arbiter* that
looks when all have ended, and the *outcomes* that their author expects, each graded and explained.
One that nobody has graded is forbidden. `docs/outcomes.md` is the guide, `ftstress litmus` the
command.

Must never print, nor start an interpreter: `ftstress.twins` adds the other build's column.
"""

import inspect
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any, ClassVar, Final, Literal

from ftstress.schedule import interpreter
from ftstress.trials import HANGS, Pace, run_batch, timing

type Grade = Literal["acceptable", "interesting", "forbidden"]

ACCEPTABLE: Final[Grade] = "acceptable"
INTERESTING: Final[Grade] = "interesting"
FORBIDDEN: Final[Grade] = "forbidden"

_ROLE: Final = "_ftstress_role"
_UNKNOWN: Final = "not among the expected outcomes"
_HANG: Final = "an actor did not return"

NOT_PROVED: Final = (
    "A pass means that no forbidden outcome came up in these trials, on this machine. One that was "
    "not seen may still be possible: look for it with --explore, which forces the rare orders, "
    "and with `ftstress run`, which finds races that did not strike."
)


class LitmusError(ValueError):
    """A test that cannot be run as it is written."""


class Other:
    """Stands for every outcome that no other line names."""

    def __repr__(self) -> str:
        return "others"


OTHERS: Final = Other()


@dataclass(frozen=True, slots=True)
class Expected:
    """An outcome that the author of a test knows of; made with the three functions below."""

    value: object
    grade: Grade
    why: str


def acceptable(value: object, why: str) -> Expected:
    """An outcome that is right. `why` is a sentence for the table; `OTHERS` is a value too."""
    return Expected(value, ACCEPTABLE, why)


def interesting(value: object, why: str) -> Expected:
    """An outcome that is right but will surprise somebody."""
    return Expected(value, INTERESTING, why)


def forbidden(value: object, why: str) -> Expected:
    """An outcome that must not be; so is each that is not named at all."""
    return Expected(value, FORBIDDEN, why)


def actor[F: Callable[..., object]](method: F) -> F:
    """Mark a method that runs at the same time as the other actors, on a thread of its own."""
    setattr(method, _ROLE, "actor")
    return method


def arbiter[F: Callable[..., object]](method: F) -> F:
    """Mark the method that runs after all actors; what it returns is the outcome.

    Takes no arguments, or what the actors returned, one parameter an actor.
    """
    setattr(method, _ROLE, "arbiter")
    return method


class Litmus:
    """A litmus test. An instance is the state of one trial: ``__init__`` makes it.

    The outcome of a trial is what the arbiter returns; without an arbiter, the tuple of what the
    actors return, in the order in which they are written. An exception counts as its type: as what
    the actor returned, or, where an arbiter without parameters would not see it, as the outcome.
    `HANGS` is the outcome of a trial that does not end.

    Happens-before: ``__init__`` before every actor, all actors before the arbiter; nothing between
    actors but what they do themselves.

    Args:
        outcomes: what its author expects, graded.
        modules: whose code is switched in as well under a schedule.
    """

    outcomes: ClassVar[Sequence[Expected]] = ()
    modules: ClassVar[tuple[str, ...]] = ()

    under_schedule: ClassVar["UnderSchedule"]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.under_schedule = UnderSchedule(cls)


class UnderSchedule:
    """One trial as a test for `ftstress.explore()`; it fails if the outcome is forbidden.

    An object and no function, so that a schedule has steps of the test only and none of this.
    """

    def __init__(self, test: type[Litmus]) -> None:
        self._test = test
        self.__module__ = test.__module__
        self.__name__ = test.__name__
        self.__qualname__ = f"{test.__qualname__}.under_schedule"

    def __call__(self) -> None:
        """Run the actors, and the arbiter after them. Raises `ForbiddenOutcomeError`."""
        test = parsed(self._test)
        state = self._test()
        acts = [_Act(method, state) for method in test.actors]
        threads = [Thread(target=act) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcome = test.outcome(state, tuple(act.result for act in acts))
        _, expected = test.grade(outcome)
        if expected.grade == FORBIDDEN:
            raise ForbiddenOutcomeError(f"{shown(outcome)}: {expected.why}")


class _Act:
    """One actor's thread."""

    def __init__(self, method: Callable[[Any], object], state: object) -> None:
        self.__name__ = getattr(method, "__name__", "actor")
        self._method = method
        self._state = state
        self.result: object = HANGS

    def __call__(self) -> None:
        try:
            self.result = self._method(self._state)
        except Exception as error:  # noqa: BLE001  # an outcome like any other
            self.result = type(error)


class ForbiddenOutcomeError(AssertionError):
    """A trial under a schedule had a forbidden outcome."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A test's parts, checked."""

    name: str
    summary: str
    make: Callable[[], Any]
    actors: tuple[Callable[[Any], object], ...]
    names: tuple[str, ...]
    arbiter: Callable[..., object] | None
    takes_results: bool
    expected: tuple[Expected, ...]

    def outcome(self, state: object, results: tuple[object, ...]) -> object:
        """What came of one trial."""
        if HANGS in results:
            return HANGS
        if self.arbiter is None:
            return results
        if not self.takes_results:
            for result in results:
                if isinstance(result, type) and issubclass(result, Exception):
                    return result
        try:
            return self.arbiter(state, *results) if self.takes_results else self.arbiter(state)
        except Exception as error:  # noqa: BLE001  # an outcome like any other
            return type(error)

    def grade(self, outcome: object) -> tuple[int, Expected]:
        """The line of `expected` that it falls under, and its place; behind all: unknown."""
        for place, expected in enumerate(self.expected):
            if expected.value is OTHERS or bool(expected.value == outcome):
                return place, expected
        why = _HANG if outcome is HANGS else _UNKNOWN
        return len(self.expected), Expected(outcome, FORBIDDEN, why)


def parsed(test: type[Litmus]) -> Parsed:
    """Take a test apart.

    Raises LitmusError: fewer than two actors, more than one arbiter, no outcomes, or an arbiter
    that takes another number of arguments.
    """
    roles: dict[str, str] = {}
    for cls in reversed(test.__mro__):
        for name, member in vars(cls).items():
            role = getattr(member, _ROLE, None)
            if role is not None:
                roles[name] = role
    name = test.__qualname__
    actors = tuple(each for each, role in roles.items() if role == "actor")
    arbiters = [each for each, role in roles.items() if role == "arbiter"]
    if len(actors) < 2:
        raise LitmusError(f"{name} has {len(actors)} actors: mark at least two methods with @actor")
    if len(arbiters) > 1:
        raise LitmusError(f"{name} has {len(arbiters)} arbiters ({', '.join(arbiters)}): keep one")
    if not test.outcomes:
        raise LitmusError(f"{name} expects nothing: give it `outcomes`, a list of graded ones")
    for expected in test.outcomes:
        if not isinstance(expected, Expected):
            raise LitmusError(
                f"{name}.outcomes has {expected!r}: use acceptable(), interesting(), forbidden()"
            )
    judge = getattr(test, arbiters[0]) if arbiters else None
    taken = len(inspect.signature(judge).parameters) - 1 if judge is not None else 0
    if taken not in (0, len(actors)):
        raise LitmusError(
            f"{name}.{arbiters[0]} takes {taken} results of {len(actors)} actors: take all or none"
        )
    # Others come last, wherever they were written, or they would hide the lines below them.
    lines = sorted(test.outcomes, key=lambda line: line.value is OTHERS)
    return Parsed(
        name,
        (inspect.getdoc(test) or "").partition("\n")[0] if test.__doc__ else "",
        test,
        tuple(getattr(test, each) for each in actors),
        actors,
        judge,
        taken > 0,
        tuple(lines),
    )


def shown(outcome: object) -> str:
    """An outcome as tables have it: ``1, 0``; an exception's type as ``raises KeyError``."""
    if isinstance(outcome, tuple):
        return ", ".join(map(shown, outcome)) or "()"
    if isinstance(outcome, type) and issubclass(outcome, BaseException):
        return f"raises {outcome.__name__}"
    return repr(outcome)


@dataclass(frozen=True, slots=True)
class Row:
    """One outcome.

    Args:
        outcome: as it is shown. why: the author's sentence.
        twin_count: how often it came on the other build; None where it was not run there.
    """

    outcome: str
    count: int
    grade: Grade
    why: str
    twin_count: int | None = None


@dataclass(frozen=True, slots=True)
class LitmusResult:
    """What came of one test.

    Args:
        rows: expected outcomes in the author's order, seen or not, then those nobody expected.
        gil: whether it was on at the end of the run.
        twin: the other build's interpreter and number of trials; "" and 0 where it was not run,
            and `twin_missing` then says why, and how to get it.
    """

    test: str
    summary: str
    rows: tuple[Row, ...]
    trials: int
    seconds: float
    seed: int
    interpreter: str
    gil: bool
    twin: str = ""
    twin_trials: int = 0
    twin_missing: str = ""

    @property
    def is_forbidden(self) -> bool:
        """Whether a forbidden outcome was seen, on either build."""
        return any(row.grade == FORBIDDEN and (row.count or row.twin_count) for row in self.rows)

    @property
    def status(self) -> int:
        """For CI: 0 passed, 1 a forbidden outcome was seen, 2 the run proves nothing."""
        return 1 if self.is_forbidden else 2 if self.gil or not self.trials else 0

    def beside(self, twin: "LitmusResult") -> "LitmusResult":
        """The same with the counts of the other build."""
        theirs = {row.outcome: row for row in twin.rows}
        rows = [
            replace(row, twin_count=theirs.pop(row.outcome).count if row.outcome in theirs else 0)
            for row in self.rows
        ]
        rows += [replace(row, count=0, twin_count=row.count) for row in theirs.values()]
        return replace(
            self, rows=tuple(rows), twin=twin.interpreter, twin_trials=twin.trials, twin_missing=""
        )


def run(
    test: type[Litmus],
    *,
    seconds: float | None = 1.0,
    count: int | None = None,
    seed: int = 0,
    chaos: bool = True,
    patience: float = 20.0,
    progress: Callable[[int], None] | None = None,
) -> LitmusResult:
    """Run a test in parallel, in batches of differing timing.

    Args:
        seconds, count: limits; either may be None. One batch of trials is always begun.
        seed: of the timings: skews, chaos, switch intervals, who starts first.
        chaos: delay threads at the edges of locks in some of the batches.
        patience: seconds after which a batch hangs; that ends the run.
        progress: called with the number of trials after each batch.

    Raises:
        LitmusError: the test is not one, or its state cannot be made.
    """
    parts = parsed(test)
    choices = random.Random(seed)
    pace = Pace(seconds, count)
    counts: dict[str, int] = {}
    lines: dict[str, tuple[int, Expected]] = {}
    for place, expected in enumerate(parts.expected):
        if expected.value is not OTHERS:
            lines[shown(expected.value)] = place, expected
    while size := pace.next():
        plan = timing(choices, len(parts.actors), chaos=chaos)
        started = time.perf_counter()
        batch = run_batch(parts.make, parts.actors, size, plan, choices, patience=patience)
        for state, results in batch.trials:
            outcome = parts.outcome(state, results)
            label = shown(outcome)
            if label not in counts:
                counts[label] = 0
                lines[label] = parts.grade(outcome)
            counts[label] += 1
        pace.ran(len(batch.trials), time.perf_counter() - started)
        if progress is not None:
            progress(pace.trials)
        if batch.is_stuck:
            break
    for label in lines:
        counts.setdefault(label, 0)
    ordered = sorted(lines, key=lambda label: (lines[label][0], -counts[label]))
    rows = [Row(each, counts[each], lines[each][1].grade, lines[each][1].why) for each in ordered]
    return LitmusResult(
        parts.name,
        parts.summary,
        tuple(rows),
        pace.trials,
        pace.elapsed,
        seed,
        interpreter(),
        sys._is_gil_enabled(),
    )
