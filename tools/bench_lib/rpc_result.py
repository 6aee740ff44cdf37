"""The figures of `tools/bench rpc` and how they are shown. Must never import grpc."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .names import BASE, FRONT, NATIVE, OURS, STATIC, TWIN
from .spread import Spread, ratios

MIXED: Final = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Point:
    """One cell of the matrix."""

    workload: str
    connections: int
    streams: int

    def __str__(self) -> str:
        plural = "" if self.connections == 1 else "s"
        return f"{self.workload}, {self.connections} connection{plural} x {self.streams} streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One contender at one point in one round."""

    rate: float
    """Calls a second."""
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_us: float
    """User and system time of the server's processes, for each call."""
    rss_mib: float


FIGURES: Final = {
    "rate": ("calls/s", ",.0f"),
    "p50_ms": ("p50 ms", ".2f"),
    "p99_ms": ("p99 ms", ".2f"),
    "p999_ms": ("p99.9 ms", ".2f"),
    "cpu_us": ("CPU us/call", ",.0f"),
    "rss_mib": ("RSS MiB", ",.0f"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is to be seen at the end, and what was."""

    measure: str
    value: Spread
    aim: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        return self.value.median <= self.aim if self.at_most else self.value.median >= self.aim

    @property
    def verdict(self) -> str:
        return "reached" if self.reached else "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcResult:
    """Samples by point and contender, one a round."""

    names: tuple[str, ...]
    points: tuple[Point, ...]
    samples: dict[tuple[Point, str], list[Sample]] = field(default_factory=dict)

    def at(self, point: Point) -> list[str]:
        """Who was measured there."""
        return [name for name in self.names if (point, name) in self.samples]

    def figures(self, point: Point, name: str, figure: str) -> list[float]:
        return [getattr(sample, figure) for sample in self.samples[point, name]]

    def spread(self, point: Point, name: str, figure: str) -> Spread:
        return Spread.of(self.figures(point, name, figure))

    def ratio(self, point: Point, name: str, base: str = BASE) -> Spread:
        """Calls a second over another's, round by round."""
        rates = self.figures(point, name, "rate")
        return Spread.of(ratios(rates, self.figures(point, base, "rate")))

    def aims(self) -> list[Aim]:
        """Those of the project that this run can tell of."""
        found = []
        for count in (1, 4):
            point = Point(workload="small", connections=count, streams=16)
            where = f"small call, {count} connection{'s' if count > 1 else ''}, times "
            against = [(BASE, 8.0), (NATIVE, 1.0), (FRONT, 1.0), (TWIN, 1.7)]
            if count > 1:
                against.append((STATIC, 0.2))
            for base, aim in against:
                if self._both(point, base):
                    found.append(
                        Aim(measure=where + base, value=self.ratio(point, OURS, base), aim=aim)
                    )
        for point in self.points:
            if point.workload == "1m" and self._both(point, BASE):
                value = self.ratio(point, OURS)
                found.append(Aim(measure=f"{point}, times {BASE}", value=value, aim=1.0))
        return found

    def _both(self, point: Point, base: str) -> bool:
        return (point, OURS) in self.samples and (point, base) in self.samples

    def lines(self) -> list[str]:
        """A table for each point, then the aims."""
        out: list[str] = []
        for point in self.points:
            out += ["", *_table(self.header(point), [self.row(point, n) for n in self.at(point)])]
        aims = [
            (aim.measure, aim.value.format(".2f"), f"{aim.aim:g}", aim.verdict)
            for aim in self.aims()
        ]
        return [*out, "", *_table(("aims", "median (min..max)", "aim", ""), aims)]

    def header(self, point: Point) -> tuple[str, ...]:
        labels = [label for label, _ in FIGURES.values()]
        return (str(point), labels[0], f"times {BASE}", *labels[1:])

    def row(self, point: Point, name: str) -> tuple[str, ...]:
        """Rates with their range, the rest as medians."""
        rate = self.spread(point, name, "rate").format()
        ratio = self.ratio(point, name).format(".2f") if self._has_base(point) else "-"
        rest = [
            format(self.spread(point, name, figure).median, spec)
            for figure, (_, spec) in FIGURES.items()
            if figure != "rate"
        ]
        return (name, rate, ratio, *rest)

    def _has_base(self, point: Point) -> bool:
        return (point, BASE) in self.samples

    def as_json(self) -> list[dict[str, object]]:
        return [
            {
                "workload": point.workload,
                "connections": point.connections,
                "streams": point.streams,
                "contender": name,
                **{
                    figure: {
                        **self.spread(point, name, figure).as_json(),
                        "rounds": self.figures(point, name, figure),
                    }
                    for figure in FIGURES
                },
            }
            for point in self.points
            for name in self.at(point)
        ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    ]
