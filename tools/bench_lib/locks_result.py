"""The figures of `tools/bench locks` and how they are shown. Must never import grpc."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .spread import Spread, ratios

OFF_AIM, ON_AIM, SERVED_AIM = 1.1, 3.0, 0.95
"""What the project promises: at most so many times `threading`'s, off and on; at least so much of
the calls a second."""

PLAIN, PROFILED = "not profiled", "profiled"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocksResult:
    """Rounds by build, and the calls a second of the served adapter."""

    parallel: bool
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def against_threading(self, build: str, kind: str, *, profiled: bool) -> Spread:
        """`ftlocks`' time over `threading`'s of the same round."""
        rounds = [each["uncontended"] for each in self.rounds[build]]
        name = f"ftlocks.{kind}" + (", profiled" if profiled else "")
        ours = [each[name] for each in rounds]
        return Spread.of(ratios(ours, [each[f"threading.{kind}"] for each in rounds]))

    def nanoseconds(self, build: str, name: str) -> Spread:
        return Spread.of([each["uncontended"][name] for each in self.rounds[build]])

    def gain(self, build: str, way: str) -> Spread:
        """What two threads do, over what one does."""
        found = [each["scaling"][way] for each in self.rounds[build]]
        return Spread.of(ratios([each["2"] for each in found], [each["1"] for each in found]))

    def alone(self, build: str, way: str) -> Spread:
        return Spread.of([each["scaling"][way]["1"] for each in self.rounds[build]])

    def served(self) -> Spread:
        """Calls a second with the profile on, over those without."""
        return Spread.of(ratios(self.rates[PROFILED], self.rates[PLAIN]))

    def lines(self) -> list[str]:
        """Three tables."""
        out = ["", f"{'uncontended with lock:':<32}{'ns':<20}times threading's   aim"]
        for build in self.rounds:
            for kind in ("Lock", "RLock"):
                bare = self.nanoseconds(build, f"threading.{kind}").format()
                out.append(f"{f'{build}: threading.{kind}':<32}{bare}")
                for profiled, aim in ((False, OFF_AIM), (True, ON_AIM)):
                    name = f"ftlocks.{kind}" + (", profiled" if profiled else "")
                    ratio = self.against_threading(build, kind, profiled=profiled)
                    out.append(
                        f"{f'  {name}':<32}{self.nanoseconds(build, name).format():<20}"
                        f"{ratio.format('.2f'):<20}{_verdict(ratio.median <= aim)} ({aim:g})"
                    )
        out += ["", f"{'guarded additions':<32}{'a second, 1 thread':<36}2 threads, times"]
        for build in self.rounds:
            for way in self.rounds[build][0]["scaling"]:
                gain = self.gain(build, way).format(".2f") if self.parallel else "no second core"
                rate = self.alone(build, way).format()
                out.append(f"{f'{build}: {way}':<32}{rate:<36}{gain}")
        if self.rates:
            out += ["", "served small call with a lock in it, free-threaded"]
            for name, rates in self.rates.items():
                out.append(f"  {name:<30}{Spread.of(rates).format()} req/s")
            share = self.served()
            # Server and load share the cores: where others use them, so does the difference.
            verdict = _verdict(share.median >= SERVED_AIM) if self.parallel else "not judged"
            out.append(
                f"  {'profiled, of not profiled':<30}{share.format('.3f')}  "
                f"{verdict} ({SERVED_AIM:g})"
            )
        return out

    def as_json(self) -> dict[str, object]:
        return {"builds": self.rounds, "served": self.rates, "parallel": self.parallel}


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"
