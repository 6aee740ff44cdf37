"""Object tests under the controlled scheduler: a history that fails there can be replayed.

A script becomes a test for `ftstress.explore()`, with a thread for each of its columns. What is
saved is the script together with its schedule. Must never print.
"""

import ast
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any, Final

from ftstress import control, drawing
from ftstress.exploration import Exploration, Replay, ScheduleFailure, explore, replay
from ftstress.linearizability import Verdict, check
from ftstress.object_tests import (
    Call,
    ObjectTest,
    Plan,
    Recording,
    Script,
    planned,
    smaller,
)
from ftstress.strategies import NondeterminismError

_FORMAT: Final = "ftstress history 1"


class NotLinearizableError(AssertionError):
    """A history that no order explains; the message draws it."""


class HistoryFormatError(ValueError):
    """A file that holds no saved history."""


class UnderSchedule:
    """One script as a test. An object and no function, so that a schedule has no steps of it."""

    def __init__(self, plan: Plan, script: Script) -> None:
        self.plan = plan
        self.script = script
        self.__module__ = plan.test.__module__
        self.__name__ = plan.test.__name__
        self.__qualname__ = plan.test.__qualname__

    def __call__(self) -> None:
        """Make the calls, each column on its thread. Raises `NotLinearizableError`."""
        # One thread at a time: counting on is exact.
        recording = Recording(self.plan, self.script, itertools.count().__next__)
        threads = [
            Thread(target=_Player(recording, number), name=f"thread {number}")
            for number, calls in enumerate(self.script)
            if calls
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        verdict = self._checked(recording)
        if verdict.order is None:
            raise NotLinearizableError(
                f"no order explains it\n{drawing.text(verdict.history)}\n"
                f"{drawing.explanation(verdict)}"
            )

    def _checked(self, recording: Recording) -> Verdict:
        """The check, whose calls of the model are no steps of the schedule."""
        task = control.me()
        if task is not None:
            task.inside = True
        try:
            return check(recording.history(self.plan), self.plan.spec)
        finally:
            if task is not None:
                task.inside = False


class _Player:
    def __init__(self, recording: Recording, thread: int) -> None:
        self.__name__ = f"thread {thread}"
        self._recording = recording
        self._thread = thread

    def __call__(self) -> None:
        self._recording.play(self._thread)


@dataclass(frozen=True, slots=True)
class Explored:
    """What came of looking through schedules.

    Args:
        scripts: that were looked at; runs: schedules of all of them together.
        script: the smallest that fails; None where none does.
        failure: its schedule, table and drawing.
        saved: the file's text; "" where nothing failed.
    """

    test: str
    scripts: int
    runs: int
    seconds: float
    seed: int
    script: Script | None = None
    failure: ScheduleFailure | None = None
    saved: str = ""


def explored(
    test: type[ObjectTest],
    *,
    scripts: int = 20,
    iterations: int = 200,
    seed: int = 0,
    modules: tuple[str, ...] = (),
    minimise: bool = True,
    target: str = "",
    progress: Callable[[int], None] | None = None,
) -> Explored:
    """Look through `iterations` schedules of each of some random scripts until one fails.

    Then calls are left out as long as it still fails within as many schedules.

    Args:
        modules: to switch in besides those that the test names.
        minimise: leave out calls, and look for the fewest switches.
        target: how the command line finds the test.
        progress: called with the number of schedules after each script.
    """
    plan = planned(test)
    source = random.Random(seed)
    watched = (*test.modules, *modules)
    runs = 0
    seconds = 0.0
    for number in range(1, scripts + 1):
        script = plan.script(source)
        found = _look(plan, script, iterations, seed, watched, minimise)
        runs += found.runs
        seconds += found.seconds
        if progress is not None:
            progress(runs)
        if found.failure is None:
            continue
        failure = found.failure
        if minimise:
            script, failure = _least(plan, script, failure, iterations, seed, watched)
        saved = _saved(target or f"{test.__module__}:{test.__qualname__}", script, failure)
        return Explored(plan.name, number, runs, seconds, seed, script, failure, saved)
    return Explored(plan.name, scripts, runs, seconds, seed)


def _look(
    plan: Plan,
    script: Script,
    iterations: int,
    seed: int,
    modules: tuple[str, ...],
    minimise: bool = True,
) -> Exploration:
    try:
        return explore(
            UnderSchedule(plan, script),
            iterations=iterations,
            seed=seed,
            modules=modules,
            minimise=minimise,
            raises=False,
        )
    except NondeterminismError:
        if not minimise:
            raise
        # The search for fewer switches noticed that the test does not do the same each time.
        return _look(plan, script, iterations, seed, modules, minimise=False)


def _least(
    plan: Plan,
    script: Script,
    failure: ScheduleFailure,
    iterations: int,
    seed: int,
    modules: tuple[str, ...],
) -> tuple[Script, ScheduleFailure]:
    candidates = smaller(script)
    for candidate in candidates:
        again = _look(plan, candidate, iterations, seed, modules)
        same = again.failure is not None and (
            again.failure.failure.signature[:2] == failure.failure.signature[:2]
        )
        if same:
            assert again.failure is not None
            return _least(plan, candidate, again.failure, iterations, seed, modules)
    return script, failure


def _saved(target: str, script: Script, failure: ScheduleFailure) -> str:
    # Arguments are literals of Python: JSON has no tuples, bytes or sets.
    calls = [[[call.name, repr(call.arguments)] for call in thread] for thread in script]
    return json.dumps(
        {
            "format": _FORMAT,
            "target": target,
            "script": calls,
            "schedule": json.loads(replace(failure.schedule, target=target).to_json()),
        },
        indent=1,
    )


@dataclass(frozen=True, slots=True)
class SavedHistory:
    """A script and its schedule, read from a file."""

    target: str
    script: Script
    schedule: str

    def replay(self, test: type[ObjectTest], *, times: int = 1) -> Replay:
        """Run it again. Raises what `ftstress.replay()` raises."""
        return replay(self.schedule, UnderSchedule(planned(test), self.script), times=times)


def load(path_or_text: str | Path) -> SavedHistory:
    """A saved history from a file or from its text.

    Raises HistoryFormatError where it is none, OSError where it cannot be read.
    """
    text = str(path_or_text)
    if isinstance(path_or_text, Path) or not text.lstrip().startswith("{"):
        text = Path(path_or_text).read_text("utf-8")
    try:
        found: Any = json.loads(text)
        if found["format"] != _FORMAT:
            raise ValueError(f"its format is {found['format']!r}")
        script = tuple(
            tuple(Call(str(name), tuple(ast.literal_eval(arguments))) for name, arguments in thread)
            for thread in found["script"]
        )
        return SavedHistory(str(found["target"]), script, json.dumps(found["schedule"]))
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise HistoryFormatError(
            f"no saved history ({error}); it should be what `ftstress objects --explore` saved "
            f"with --output, format {_FORMAT!r}"
        ) from None
