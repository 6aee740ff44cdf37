"""The figures of `tools/bench startup` and how they are shown. Must never import grpc."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from .names import OURS
from .report import Aim, Plot, Section, Table
from .spread import Spread

AIM_SECONDS: Final = 0.5
TOP_IMPORTS: Final = 12

_IMPORT: Final = re.compile(r"^import time:\s*(\d+) \|\s*(\d+) \| ( *)(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupResult:
    """Seconds by contender and round; and where our own go."""

    names: tuple[str, ...]
    parallel: bool
    seconds: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of CPU time until then."""
    bare: dict[str, list[float]] = field(default_factory=dict)
    """Of an interpreter that does nothing, by build."""
    imports: dict[str, int] = field(default_factory=dict)
    """Microseconds of each module's own import, the slowest first, with the profile on."""
    imported_us: int = 0
    """All of them."""

    def section(self, command: str) -> Section:
        """Everything, as it is shown."""
        spreads = {name: Spread.of(self.seconds[name]) for name in self.names}
        slowest = [
            (module, f"{micros / 1000:.1f}")
            for module, micros in list(self.imports.items())[:TOP_IMPORTS]
        ]
        return Section(
            name="startup",
            title="Process start to first answer",
            command=command,
            notes=(
                "Seconds from before the process starts to a small call's answer; files in the page"
                " cache, modules compiled, as on every start of an installed package but the"
                " first.",
                f"All imports of {OURS} took {self.imported_us / 1000:,.0f} ms with"
                " `-X importtime`, which slows them.",
            ),
            tables=[
                Table(
                    title="",
                    columns=("server", "seconds", "of CPU time"),
                    rows=[
                        (name, spread.format(".3f"), Spread.of(self.cpu[name]).format(".2f"))
                        for name, spread in spreads.items()
                    ]
                    + [
                        (f"{name}: the interpreter alone", Spread.of(found).format(".3f"), "-")
                        for name, found in self.bare.items()
                    ],
                ),
                Table(
                    title=f"slowest imports of {OURS}",
                    columns=("module", "ms, its own"),
                    rows=slowest,
                ),
            ],
            plots=[
                Plot(
                    title="process start to first answer",
                    unit="s",
                    categories=("start",),
                    series={name: [spread] for name, spread in spreads.items()},
                    limit=AIM_SECONDS,
                )
            ],
            aims=[
                Aim(
                    measure=f"process start to first answer, {OURS}, seconds",
                    value=spreads[OURS],
                    aim=AIM_SECONDS,
                    at_most=True,
                    parallel=self.parallel,
                )
            ],
            data={
                "seconds": self.seconds,
                "cpu_seconds": self.cpu,
                "interpreter": self.bare,
                "imports_us": self.imports,
                "all_imports_us": self.imported_us,
            },
        )


def import_times(text: str) -> dict[str, int]:
    """Microseconds of each module's own import, from what ``-X importtime`` prints."""
    return {match[4]: int(match[1]) for match in _IMPORT.finditer(text)}
