"""What ``@pytest.mark.ftstress(...)`` may say, and the checks of it.

Must never import what runs tests: it is read for every test of a run that uses the plugin.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self

DEFAULT_THREADS: Final = 2
DEFAULT_ROUNDS: Final = 20


class MarkerError(ValueError):
    """The marker says something that cannot be done."""


@dataclass(frozen=True, slots=True)
class Options:
    """One test's marker.

    Args:
        threads, rounds, time: the body on so many threads at once, that often, or for so many
            seconds.
        fixtures: "shared": all threads get the same fixtures; "thread": each its own.
        schedules: instead, explore at most so many schedules of the body's own threads, with
            `strategy`, `modules`, `granularity` and `timeouts` as `ftstress.explore` has them.
        seed: of schedules; the command line's, if None.
        races: look for data races, in the test's module and in those that `instrument` names.
        alone: never run it beside other tests.
    """

    threads: int | None = None
    rounds: int | None = None
    time: float | None = None
    fixtures: Literal["shared", "thread"] = "shared"
    schedules: int | None = None
    strategy: str = "pct"
    seed: int | None = None
    modules: tuple[str, ...] = ()
    granularity: Literal["line", "operation"] = "operation"
    timeouts: Literal["idle", "any"] = "idle"
    races: bool = False
    instrument: tuple[str, ...] = ()
    alone: bool = False

    @classmethod
    def of(cls, arguments: tuple[Any, ...], given: Mapping[str, Any]) -> Self:
        """Raises MarkerError with what is wrong."""
        if arguments:
            raise MarkerError(f"ftstress takes named options only, got {arguments!r}")
        known = [each.name for each in fields(cls)]
        unknown = sorted(given.keys() - set(known))
        if unknown:
            raise MarkerError(
                f"ftstress has no option {', '.join(unknown)}; it has {', '.join(known)}"
            )
        values = dict(given)
        for name in ("modules", "instrument"):
            if name in values:
                value = values[name]
                values[name] = (value,) if isinstance(value, str) else tuple(value)
        made = cls(**values)
        made._check()
        return made

    def _check(self) -> None:
        for name in ("threads", "rounds", "schedules"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise MarkerError(
                    f"ftstress({name}=...) must be an int of at least 1, got {value!r}"
                )
        if self.time is not None and not self.time > 0:
            raise MarkerError(f"ftstress(time=...) must be seconds above 0, got {self.time!r}")
        for name, choices in (
            ("fixtures", ("shared", "thread")),
            ("granularity", ("line", "operation")),
            ("timeouts", ("idle", "any")),
        ):
            value = getattr(self, name)
            if value not in choices:
                raise MarkerError(f"ftstress({name}=...) is one of {choices}, got {value!r}")
        if self.rounds is not None and self.time is not None:
            raise MarkerError("ftstress takes rounds or time, not both")
        explores = self.schedules is not None
        for name in ("threads", "rounds", "time", "races", "instrument"):
            if explores and getattr(self, name) not in (None, False, ()):
                raise MarkerError(
                    f"ftstress({name}=...) has no meaning with schedules=...: there, the threads "
                    "are those that the test starts, one at a time"
                )
        if self.instrument and not self.races:
            raise MarkerError("ftstress(instrument=...) is for races=True")

    @property
    def is_parallel(self) -> bool:
        """Whether the body itself is to run on several threads."""
        if self.schedules is not None or self.alone:
            return False
        return not self.races or self.threads is not None
