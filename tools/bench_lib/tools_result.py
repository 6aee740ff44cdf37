"""The figures of `tools/bench tools` and how they are shown. Must never import grpc."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .names import BASE, OURS, PROCESSES, TWIN
from .report import Aim, Plot, Section, Table
from .spread import Spread, ratios
from .workloads import Workload

AIMS: Final = {"burn-1ms": 1.8, "burn-20ms": 1.9, "analysis": 1.3}
"""Times the best contender with one GIL, that calls of a tool are to be answered."""

NOTES: Final = (
    "The best GIL contender is the fastest of a round that has one process, and so one GIL. The"
    " processes of the last row have one each: they use all cores, and as much more memory as the"
    " RSS column says. Their callers' load generators are as many processes.",
    "Method calls: 3.13t runs without the specialising interpreter, which PEP 659 gave GIL builds"
    " for exactly such code; on fewer cores than that costs, the GIL build wins.",
    "numpy's own loops hold no GIL on either build.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One contender with one tool in one round."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    rss_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsResult:
    """Samples by tool and contender, one a round."""

    names: tuple[str, ...]
    tools: tuple[Workload, ...]
    callers: int
    parallel: bool
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)

    def figures(self, tool: str, name: str, figure: str = "rate") -> list[float]:
        return [getattr(sample, figure) for sample in self.samples[tool, name]]

    def spread(self, tool: str, name: str, figure: str = "rate") -> Spread:
        return Spread.of(self.figures(tool, name, figure))

    def ratio(self, tool: str, name: str, base: str) -> Spread:
        """Calls a second over another's, round by round."""
        return Spread.of(ratios(self.figures(tool, name), self.figures(tool, base)))

    def best_gil(self, tool: str) -> list[float]:
        """Round by round the rate of the fastest contender with one GIL."""
        one = [name for name in self.names if name not in (OURS, PROCESSES)]
        return [max(found) for found in zip(*(self.figures(tool, n) for n in one), strict=True)]

    def against_best(self, tool: str) -> Spread:
        return Spread.of(ratios(self.figures(tool, OURS), self.best_gil(tool)))

    def section(self, command: str) -> Section:
        """Everything, as it is shown."""
        return Section(
            name="tools",
            title="Tools that compute, wait, or share a lock",
            command=command,
            notes=(f"{self.callers} calls under way at any time.", *NOTES),
            tables=[self._summary(), *(self._table(tool) for tool in self.tools)],
            plots=[
                Plot(
                    title=f"calls a second, times {BASE}",
                    unit="times",
                    categories=[tool.title for tool in self.tools],
                    series={
                        name: [self.ratio(tool.name, name, BASE) for tool in self.tools]
                        for name in self.names
                    },
                    limit=1.0,
                )
            ],
            aims=[
                Aim(
                    measure=f"{tool.title}, times the best GIL contender",
                    value=self.against_best(tool.name),
                    aim=AIMS[tool.name],
                    parallel=self.parallel,
                )
                for tool in self.tools
                if tool.name in AIMS
            ],
            data=self.as_json(),
        )

    def _summary(self) -> Table:
        rows = [
            (
                tool.title,
                self.spread(tool.name, OURS).format(),
                self.against_best(tool.name).format(".2f"),
                self.ratio(tool.name, OURS, TWIN).format(".2f"),
                self.ratio(tool.name, OURS, PROCESSES).format(".2f"),
            )
            for tool in self.tools
        ]
        columns = ("tool", "calls/s", "times the best GIL", f"times {TWIN}", f"times {PROCESSES}")
        return Table(title=OURS, columns=columns, rows=rows)

    def _table(self, tool: Workload) -> Table:
        rows = [
            (
                name,
                self.spread(tool.name, name).format(),
                self.ratio(tool.name, name, BASE).format(".2f"),
                *(
                    format(self.spread(tool.name, name, figure).median, spec)
                    for figure, spec in (
                        ("p50_ms", ".2f"),
                        ("p99_ms", ".2f"),
                        ("cpu_us", ",.0f"),
                        ("rss_mib", ",.0f"),
                    )
                ),
            )
            for name in self.names
        ]
        columns = (
            "server",
            "calls/s",
            f"times {BASE}",
            "p50 ms",
            "p99 ms",
            "CPU us/call",
            "RSS MiB",
        )
        return Table(title=tool.title, columns=columns, rows=rows)

    def as_json(self) -> list[dict[str, object]]:
        return [
            {
                "tool": tool.name,
                "contender": name,
                **{slot: self.figures(tool.name, name, slot) for slot in Sample.__slots__},
            }
            for tool in self.tools
            for name in self.names
        ]
