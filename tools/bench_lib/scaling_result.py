"""The figures of `tools/bench scaling` and how they are shown. Must never import grpc."""

from __future__ import annotations

from dataclasses import dataclass, field

from .names import OURS
from .report import Plot, Section, Table
from .spread import Spread, ratios
from .workloads import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One build with one tool on so many cores in one round."""

    rate: float
    cpu_us: float
    """CPU time of a call."""
    used: float
    """CPU time of the server, of all that its cores had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the profiles of one run on all cores said."""

    locks: tuple[tuple[str, float, int], ...]
    """Label, milliseconds waited in all, waits."""
    symbols: tuple[tuple[str, float], ...]
    """Function, percent of the CPU time."""
    perf: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingResult:
    """Samples by tool, build and count of cores, one a round."""

    names: tuple[str, ...]
    tools: tuple[Workload, ...]
    cores: tuple[int, ...]
    parallel: bool
    samples: dict[tuple[str, str, int], list[Sample]] = field(default_factory=dict)
    limits: dict[str, Limits] = field(default_factory=dict)

    def figures(self, tool: str, name: str, cores: int, figure: str) -> list[float]:
        return [getattr(sample, figure) for sample in self.samples[tool, name, cores]]

    def spread(self, tool: str, name: str, cores: int, figure: str) -> Spread:
        return Spread.of(self.figures(tool, name, cores, figure))

    def speed_up(self, tool: str, name: str, cores: int) -> Spread:
        """Times the rate of the same build on one core."""
        many, one = (self.figures(tool, name, count, "rate") for count in (cores, 1))
        return Spread.of(ratios(many, one))

    def added(self, tool: str, name: str, cores: int) -> Spread:
        """What the last core added, of the rate on one: 1 is perfect."""
        one = self.figures(tool, name, 1, "rate")
        many, fewer = (self.figures(tool, name, k, "rate") for k in (cores, cores - 1))
        gains = [a - b for a, b in zip(many, fewer, strict=True)]
        return Spread.of(ratios(gains, one))

    def section(self, command: str) -> Section:
        """Everything, as it is shown."""
        warning = (
            ()
            if self.parallel
            else (
                "The control found no second core to give: these figures tell of the neighbours.",
            )
        )
        return Section(
            name="scaling",
            title="Scaling over cores",
            command=command,
            notes=(
                "The server is held to so many cores and has as many handler threads; the load"
                " generator may use all. Added: what the last core gave, of the rate on one."
                " Cores used: the server's CPU time, of what its cores had; what is missing there"
                " was waited, or taken by the load generator. CPU time of a call that grows with"
                " the cores is memory, reference counts or locks.",
                *warning,
            ),
            tables=[*(self._table(tool) for tool in self.tools), *self._limit_tables()],
            plots=[
                Plot(
                    title=f"{tool.title}: times one core",
                    unit="times",
                    categories=[f"{count}" for count in self.cores],
                    series={
                        name: [self.speed_up(tool.name, name, count) for count in self.cores]
                        for name in self.names
                    },
                    kind="lines",
                    limit=float(self.cores[-1]),
                )
                for tool in self.tools
            ],
            data=self.as_json(),
        )

    def _table(self, tool: Workload) -> Table:
        rows = []
        for name in self.names:
            for count in self.cores:
                added = self.added(tool.name, name, count).format(".2f") if count > 1 else "-"
                rows.append(
                    (
                        f"{name}, {count} core{'s' if count > 1 else ''}",
                        self.spread(tool.name, name, count, "rate").format(),
                        self.speed_up(tool.name, name, count).format(".2f"),
                        added,
                        self.spread(tool.name, name, count, "used").format(".2f"),
                        self.spread(tool.name, name, count, "cpu_us").format(),
                    )
                )
        columns = ("server", "calls/s", "times one core", "added", "cores used", "CPU us/call")
        return Table(title=tool.title, columns=columns, rows=rows)

    def _limit_tables(self) -> list[Table]:
        tables = []
        locks = [
            (f"{tool.title}: {label}", f"{waited:.1f}", f"{waits:,}")
            for tool in self.tools
            for label, waited, waits in self._limits(tool).locks
        ]
        if locks:
            tables.append(
                Table(
                    title=f"locks waited for, {OURS}, all cores",
                    columns=("tool: lock", "ms waited, all threads", "waits"),
                    rows=locks,
                )
            )
        symbols = [
            (f"{tool.title}: {symbol}", f"{percent:.1f}")
            for tool in self.tools
            for symbol, percent in self._limits(tool).symbols
        ]
        if symbols:
            tables.append(
                Table(
                    title=f"CPU time by perf, {OURS}, all cores",
                    columns=("tool: function (file)", "% of CPU time"),
                    rows=symbols,
                )
            )
        return tables

    def _limits(self, tool: Workload) -> Limits:
        return self.limits.get(tool.name, Limits(locks=(), symbols=(), perf=False))

    def as_json(self) -> dict[str, object]:
        return {
            "samples": [
                {
                    "tool": tool,
                    "contender": name,
                    "cores": cores,
                    **{
                        slot: [getattr(sample, slot) for sample in samples]
                        for slot in Sample.__slots__
                    },
                }
                for (tool, name, cores), samples in self.samples.items()
            ],
            "limits": {
                tool: {"locks": list(found.locks), "perf": list(found.symbols)}
                for tool, found in self.limits.items()
            },
        }
