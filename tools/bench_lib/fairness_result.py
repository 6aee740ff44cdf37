"""The figures of `tools/bench fairness` and how they are shown. Must never import grpc."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from .names import BASE, OURS
from .report import Aim, Plot, Section, Table
from .spread import Spread, ratios

DEADLINE_MS: Final = 250
"""Of calls that take a few milliseconds: many wait their turn within it, not all of twice as many
as can be done."""

POLITE_RATE: Final = 100.0
GREEDY_STREAMS: Final = 100
OVERLOAD: Final = 2.0
HALF: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One contender in one round; times in milliseconds, goodput in answers a second."""

    half_p50: float
    half_p99: float
    half_p999: float
    alone_p99: float
    beside_p99: dict[str, float]
    peak: float
    goodput: float

    @property
    def kept(self) -> float:
        """Goodput at overload, of the peak."""
        return self.goodput / self.peak


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessResult:
    """Samples by contender, one a round."""

    names: tuple[str, ...]
    parallel: bool
    half_rates: list[float] = field(default_factory=list)
    """Calls a second at which the latencies were taken, round by round."""
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def figures(self, name: str, pick: Callable[[Sample], float]) -> list[float]:
        return [pick(sample) for sample in self.samples[name]]

    def spread(self, name: str, pick: Callable[[Sample], float]) -> Spread:
        return Spread.of(self.figures(name, pick))

    def section(self, command: str) -> Section:
        rate = Spread.of(self.half_rates).format()
        polite = f"{POLITE_RATE:g} small calls a second on one connection"
        return Section(
            name="fairness",
            title="Latency at half load, beside a greedy caller, and under overload",
            command=command,
            notes=(
                f"half load: small calls at {rate} a second for all, half of what {BASE} does at"
                " most in the same round, on 4 connections.",
                f"polite: {polite}, alone and beside one connection that keeps {GREEDY_STREAMS}"
                " small calls, or as many of about 1 ms of arithmetic, under way.",
                f"overload: calls of about 1 ms with a deadline of {DEADLINE_MS} ms at"
                f" {OVERLOAD:g} times the rate that the same server did without deadlines; kept is"
                " the share of that rate that was still answered, in time.",
            ),
            tables=[self._latencies(), self._goodput()],
            plots=self._plots(),
            aims=self._aims(),
            data=self.as_json(),
        )

    def _latencies(self) -> Table:
        picks: list[tuple[str, Callable[[Sample], float]]] = [
            ("half load p50 ms", lambda s: s.half_p50),
            ("p99 ms", lambda s: s.half_p99),
            ("p99.9 ms", lambda s: s.half_p999),
            ("polite p99 alone", lambda s: s.alone_p99),
            ("beside small", lambda s: s.beside_p99["small"]),
            ("beside burn", lambda s: s.beside_p99["burn"]),
        ]
        rows = [
            (name, *(self.spread(name, pick).format(".2f") for _, pick in picks))
            for name in self.names
        ]
        columns = ("server", *(label for label, _ in picks))
        return Table(title="latencies", columns=columns, rows=rows)

    def _goodput(self) -> Table:
        rows = [
            (
                name,
                self.spread(name, lambda s: s.peak).format(),
                self.spread(name, lambda s: s.goodput).format(),
                self.spread(name, lambda s: s.kept).format(".2f"),
            )
            for name in self.names
        ]
        columns = ("server", "peak, calls/s", "in time at twice that, calls/s", "kept")
        return Table(title="overload", columns=columns, rows=rows)

    def _plots(self) -> list[Plot]:
        def series(*picks: Callable[[Sample], float]) -> dict[str, list[Spread | None]]:
            return {name: [self.spread(name, pick) for pick in picks] for name in self.names}

        return [
            Plot(
                title="p99 at half of stock grpcio's peak, and of a polite caller",
                unit="ms",
                categories=("half load", "alone", "beside small calls", "beside 1 ms calls"),
                series=series(
                    lambda s: s.half_p99,
                    lambda s: s.alone_p99,
                    lambda s: s.beside_p99["small"],
                    lambda s: s.beside_p99["burn"],
                ),
            ),
            Plot(
                title="answers in time at twice the peak rate, of the peak",
                unit="share",
                categories=("goodput",),
                series=series(lambda s: s.kept),
                limit=0.8,
            ),
        ]

    def _aims(self) -> list[Aim]:
        if OURS not in self.samples:
            return []
        aims = [
            Aim(
                measure="goodput at twice the capacity, of the peak",
                value=self.spread(OURS, lambda s: s.kept),
                aim=0.8,
                parallel=self.parallel,
            )
        ]
        if BASE in self.samples:
            ours, base = (self.figures(name, lambda s: s.half_p99) for name in (OURS, BASE))
            aims.append(
                Aim(
                    measure=f"p99 at half of the peak load of {BASE}, times its p99",
                    value=Spread.of(ratios(ours, base)),
                    aim=1.0,
                    at_most=True,
                    parallel=self.parallel,
                )
            )
        return aims

    def as_json(self) -> dict[str, object]:
        return {
            "half_rates": self.half_rates,
            "contenders": {
                name: [
                    {slot: getattr(sample, slot) for slot in Sample.__slots__}
                    for sample in self.samples[name]
                ]
                for name in self.names
            },
        }
