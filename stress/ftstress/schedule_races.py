"""Races that are seen while schedules are run, each with a schedule in which it is seen again.

Nothing need go wrong for it: happens-before does not ask in which order two accesses came. Must
never run anything.
"""

from dataclasses import dataclass

from ftstress.fasttrack import RaceDetector
from ftstress.races import Race, Violation
from ftstress.schedule import Schedule
from ftstress.suppressions import reason
from ftstress.tasks import Failure

RACE = "race"


@dataclass(frozen=True, slots=True)
class RaceInSchedule:
    """A race (or steps that are locked, but not together), and a schedule that shows it."""

    race: Race
    schedule: Schedule

    @property
    def text(self) -> str:
        """The race's report."""
        return self.race.text()


def failure_of(race: Race) -> Failure:
    """A race as what a schedule shows; the same after an edit elsewhere in the file."""
    functions = sorted({race.first.site.function, race.second.site.function})
    kind = "steps not atomic" if isinstance(race, Violation) else "race"
    name = f"{kind} on {race.variable} in {' and '.join(functions)}"
    texts = dict.fromkeys((race.first.site.text, race.second.site.text))
    return Failure(RACE, name, "", "  |  ".join(texts))


def told(detector: RaceDetector) -> list[Race]:
    """What a detector has found, without what the code calls benign."""
    found: list[Race] = [*detector.races(), *detector.violations()]
    return [race for race in found if reason(race, []) is None]
