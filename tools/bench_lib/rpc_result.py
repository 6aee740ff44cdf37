"""The figures of `tools/bench rpc` and how they are shown. Must never import grpc."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from .names import BASE, FRONT, NATIVE, OURS, STATIC, TWIN
from .report import Aim, Plot, Section, Table
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


NOTES: Final = (
    "By h2load, closed loop. CPU time is that of the server's processes, by the kernel; the load"
    " generator's is not in it.",
    "pygrpc-native twice: as the drop-in for grpc.server, and by its low-level interface, where"
    " threads take calls and answer bytes. nghttpd answers every call with one small file: what the"
    " machine and the load generator allow.",
    "mixed: small calls on 2 connections x 8 streams, 4 KiB on 1 x 8, streaming on 1 x 2 and 1 MiB"
    " on 1 x 1 at once; the sum of their calls a second, and the small ones' latencies.",
)

FIGURES: Final = {
    "rate": ("calls/s", ",.0f"),
    "p50_ms": ("p50 ms", ".2f"),
    "p99_ms": ("p99 ms", ".2f"),
    "p999_ms": ("p99.9 ms", ".2f"),
    "cpu_us": ("CPU us/call", ",.0f"),
    "rss_mib": ("RSS MiB", ",.0f"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcResult:
    """Samples by point and contender, one a round."""

    names: tuple[str, ...]
    points: tuple[Point, ...]
    parallel: bool = True
    """Whether the control found a second core."""
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
        return [replace(aim, parallel=self.parallel) for aim in self._aims()]

    def _aims(self) -> list[Aim]:
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

    def section(self, command: str) -> Section:
        """Everything, as it is shown."""
        return Section(
            name="rpc",
            title="Calls a second, latencies, CPU time and memory",
            command=command,
            notes=NOTES,
            tables=[
                Table(
                    title=str(point),
                    columns=self.columns(),
                    rows=[self.row(point, name) for name in self.at(point)],
                )
                for point in self.points
            ],
            plots=[self.plot(title, points) for title, points in self._plots()],
            aims=self.aims(),
            data=self.as_json(),
        )

    def _plots(self) -> list[tuple[str, list[Point]]]:
        small = [point for point in self.points if point.workload == "small"]
        rest = [point for point in self.points if point.workload != "small"]
        return [
            (title, points)
            for title, points in (("small calls", small), ("other calls", rest))
            if points
        ]

    def plot(self, title: str, points: Sequence[Point]) -> Plot:
        """Times the base, which one scale can show for calls of every size."""
        based = [point for point in points if self._has_base(point)]
        series = {
            name: [
                self.ratio(point, name) if (point, name) in self.samples else None
                for point in based
            ]
            for name in self.names
            if name != STATIC
        }
        return Plot(
            title=f"{title}: calls a second, times {BASE}",
            unit="times",
            categories=[str(point) for point in based],
            series=series,
            limit=1.0,
        )

    @staticmethod
    def columns() -> tuple[str, ...]:
        labels = [label for label, _ in FIGURES.values()]
        return ("server", labels[0], f"times {BASE}", *labels[1:])

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
