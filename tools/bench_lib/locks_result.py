"""The figures of `tools/bench locks` and how they are shown. Must never import grpc."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .report import Aim, Section, Table
from .spread import Spread, ratios

OFF_AIM, ON_AIM, SERVED_AIM = 1.1, 3.0, 0.95
"""What the project promises: at most so many times `threading`'s, off and on; at least so much of
the calls a second."""

PLAIN, PROFILED = "not profiled", "profiled"

CONTROL = "two processes, a lock each"
"""Of the scaling table: what this machine had to give."""

_BASE = "threading."
_WHILE = ", profiled"
_NEAREST = "threading.RLock, with"
"""What stands for `threading` where it has no such primitive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocksResult:
    """Rounds by build, and the calls a second of the served adapter."""

    parallel: bool
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def against_threading(self, build: str, use: str, *, profiled: bool = False) -> Spread:
        """`ftlocks`' time over `threading`'s of the same round; `use` such as "Lock, with"."""
        return self.against(build, f"ftlocks.{use}" + _WHILE * profiled, _BASE + use)

    def against(self, build: str, name: str, base: str) -> Spread:
        """One time over another one of the same round."""
        rounds = [each["uncontended"] for each in self.rounds[build]]
        return Spread.of(ratios([each[name] for each in rounds], [each[base] for each in rounds]))

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

    def section(self, command: str) -> Section:
        """Three tables, and what is promised."""
        tables = [self._uncontended(), self._additions()]
        if self.rates:
            rows = [(name, Spread.of(rates).format()) for name, rates in self.rates.items()]
            title = "served small call with a lock in it, free-threaded"
            tables.append(Table(title=title, columns=("server", "calls/s"), rows=rows))
        return Section(
            name="locks",
            title="Locks, and what their contention profile costs",
            command=command,
            notes=() if self.parallel else ("No second core to give: no gains, no verdicts.",),
            tables=tables,
            aims=self._aims(),
            data=self.as_json(),
        )

    def uses(self, build: str) -> list[str]:
        """What `threading` has too, and how it is used: "Lock, with"."""
        times = self.rounds[build][0]["uncontended"]
        return [name.removeprefix(_BASE) for name in times if name.startswith(_BASE)]

    def _uncontended(self) -> Table:
        rows = []
        for build in self.rounds:
            times = self.rounds[build][0]["uncontended"]
            shown: set[str] = set()
            for use in self.uses(build):
                bare = self.nanoseconds(build, _BASE + use).format()
                rows.append((f"{build}: {_BASE}{use}", bare, "-"))
                for name in (f"ftlocks.{use}", f"ftlocks.{use}{_WHILE}"):
                    if name in times:
                        ratio = self.against(build, name, _BASE + use).format(".2f")
                        ns = self.nanoseconds(build, name).format()
                        rows.append((f"{build}: {name}", ns, ratio))
                        shown.add(name)
            for name in times:
                if name.startswith("ftlocks.") and name not in shown:
                    ratio = self.against(build, name, _NEAREST).format(".2f")
                    ns = self.nanoseconds(build, name).format()
                    rows.append((f"{build}: {name}", ns, f"{ratio} (its RLock)"))
        columns = ("uncontended, CPU time", "ns", "times threading's")
        return Table(title="", columns=columns, rows=rows)

    def _additions(self) -> Table:
        rows = [
            (
                f"{build}: {way}",
                self.alone(build, way).format(),
                self.gain(build, way).format(".2f") if self.parallel else "-",
            )
            for build in self.rounds
            for way in self.rounds[build][0]["scaling"]
        ]
        columns = ("guarded additions", "a second, 1 thread", "2 threads, times")
        return Table(title="", columns=columns, rows=rows)

    def _aims(self) -> list[Aim]:
        aims = [
            Aim(
                measure=f"{build}: ftlocks.{use}{_WHILE * profiled}, times {_BASE}{use}",
                value=self.against_threading(build, use, profiled=profiled),
                aim=aim,
                at_most=True,
            )
            for build in self.rounds
            for use in self.uses(build)
            for profiled, aim in ((False, OFF_AIM), (True, ON_AIM))
            if f"ftlocks.{use}{_WHILE * profiled}" in self.rounds[build][0]["uncontended"]
        ]
        if self.rates:
            # Server and load share the cores: where others use them, so does the difference.
            aims.append(
                Aim(
                    measure="served small call with a lock, profiled, of not profiled",
                    value=self.served(),
                    aim=SERVED_AIM,
                    parallel=self.parallel,
                )
            )
        return aims

    def as_json(self) -> dict[str, object]:
        return {"builds": self.rounds, "served": self.rates, "parallel": self.parallel}
