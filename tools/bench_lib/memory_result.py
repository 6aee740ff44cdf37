"""The figures of `tools/bench memory` and how they are shown. Must never import grpc."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .report import Aim, Plot, Section, Table
from .spread import Spread, ratios

ONE: Final = "one ftbridge process, a thread a call"
PROCESSES: Final = "a stock process a call, GIL"
SHARED: Final = "launches that share a server"
SEPARATE: Final = "launches with a server each"
ARMS: Final = (ONE, PROCESSES, SHARED, SEPARATE)

AIM: Final = 8.0
"""Times the memory of one process that processes with a model each are to take."""

AIMED: Final = (16, 50)
"""Calls, and MiB of the model."""

MEASURES: Final = ("rss", "pss", "private")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of all processes of an arm, in MiB."""

    rss: float
    pss: float
    private: float
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryResult:
    """Rounds by arm."""

    launches: int
    model_mib: int
    rounds: dict[str, list[Memory]] = field(default_factory=lambda: {arm: [] for arm in ARMS})

    def figures(self, arm: str, measure: str) -> list[float]:
        return [float(getattr(memory, measure)) for memory in self.rounds[arm]]

    def ratio(self, more: str, less: str, measure: str) -> Spread:
        """Memory of one arm over another's, round by round."""
        return Spread.of(ratios(self.figures(more, measure), self.figures(less, measure)))

    def section(self, command: str) -> Section:
        """Everything, as it is shown."""
        columns = ("arm", "processes", "RSS MiB", "PSS MiB", "private MiB", "RSS without models")
        return Section(
            name="memory",
            title=f"Memory of {self.launches} calls at once over a model of {self.model_mib} MiB",
            command=command,
            notes=(
                "RSS counts a page that two processes share twice, PSS divides it between them,"
                " private is what only one process has. A shared server's launchers are processes"
                " that the host wants to see; they hold no model.",
            ),
            tables=[
                Table(title="", columns=columns, rows=[self._row(arm) for arm in ARMS]),
                Table(
                    title="times the memory of " + ONE,
                    columns=("arm", "RSS", "PSS", "private"),
                    rows=[
                        (arm, *(self.ratio(arm, ONE, m).format(".2f") for m in MEASURES))
                        for arm in ARMS
                        if arm != ONE
                    ],
                ),
            ],
            plots=[
                Plot(
                    title=f"memory of {self.launches} calls at once",
                    unit="MiB",
                    categories=("RSS", "PSS", "private"),
                    series={
                        arm: [Spread.of(self.figures(arm, measure)) for measure in MEASURES]
                        for arm in ARMS
                    },
                )
            ],
            # The aim is for these; with fewer calls or a smaller model, other parts weigh more.
            aims=[
                Aim(
                    measure=f"{name} of {self.launches} processes, times one process",
                    value=self.ratio(PROCESSES, ONE, measure),
                    aim=AIM,
                )
                for name, measure in (("RSS", "rss"), ("PSS", "pss"))
                if (self.launches, self.model_mib) == AIMED
            ],
            data={
                arm: [
                    {slot: getattr(memory, slot) for slot in Memory.__slots__} for memory in found
                ]
                for arm, found in self.rounds.items()
            },
        )

    def _row(self, arm: str) -> tuple[str, ...]:
        models = 1 if arm in (ONE, SHARED) else self.launches
        rss = self.figures(arm, "rss")
        rest = Spread.of([value - models * self.model_mib for value in rss])
        return (
            arm,
            str(self.rounds[arm][0].processes),
            *(Spread.of(self.figures(arm, measure)).format() for measure in MEASURES),
            rest.format(),
        )
