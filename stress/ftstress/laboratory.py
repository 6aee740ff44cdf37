"""A test with everything that is needed to run it under schedules, many times.

What it puts in the place of the originals is there for the whole process, so that there is one at a
time. Must never decide which schedule to run.
"""

import gc
import random
import sys
import types
from _thread import allocate_lock
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, Self

from ftstress import events, sync
from ftstress.control import Run, reached, turned
from ftstress.fasttrack import RaceDetector
from ftstress.places import CodeMap, codes_of, functions_of, modules_named
from ftstress.recoding import Recoded
from ftstress.schedule import Follow, Schedule, Settings
from ftstress.schedule_races import RACE, failure_of, told
from ftstress.substitute import Substitution, waits_for_work
from ftstress.switching import Switch
from ftstress.tasks import Chooser
from ftstress.tracer import Tracer

_in_use: Final = allocate_lock()


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

    def run(self, chooser: Chooser, detector: RaceDetector | None = None) -> Run:
        """One run, with a race detector that listens to it."""
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
        if detector is not None:
            events.subscribe(detector)  # after the switch: told when it really happens
        try:
            self._substitution.renew()
            run.execute(self.test)
        finally:
            if detector is not None:
                events.unsubscribe(detector)
            random.setstate(state)
            if collects:
                gc.enable()
        return run

    def follow(self, schedule: Schedule) -> tuple[Run, Follow]:
        """A run by a schedule's decisions, as far as they come up.

        Where the schedule is one of a race, the run fails with that race if it is seen.
        """
        follow = Follow(schedule.decisions)
        if schedule.failure.kind != RACE:
            return self.run(follow), follow
        detector = RaceDetector()
        run = self.run(follow, detector)
        seen = [failure_of(race) for race in told(detector)]
        same = [failure for failure in seen if failure.signature == schedule.failure.signature]
        if run.failure is None and same:
            run.failure = same[0]
        return run, follow
