"""The figures of `tools/bench stress` and how they are shown. Must never start anything."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from .errors import BenchError
from .report import Aim, Section, Table
from .spread import Spread

OURS: Final = ("ftstress run", "ftstress explore")
AIM_SLOWDOWN: Final = 10.0
AIM_MEMORY: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One tool on one form of one sample.

    Args:
        seconds: until something was found, or all of the time.
        hang: its process did not end. error: why it gave no verdict; "" where it did.
    """

    tool: str
    sample: str
    form: str
    found: bool
    seconds: float
    hang: bool
    error: str

    @classmethod
    def of(cls, tool: str, sample: str, form: str, answer: Mapping[str, Any]) -> Self:
        """From what the worker answered."""
        return cls(
            tool=tool,
            sample=sample,
            form=form,
            found=bool(answer.get("found", False)),
            seconds=float(answer.get("seconds", 0.0)),
            hang=bool(answer.get("hang", False)),
            error=str(answer.get("error", "")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowdownRound:
    """The same work plain and with the race detector: seconds, and resident KiB at most."""

    plain: float
    detected: float
    plain_kib: float
    detected_kib: float

    @classmethod
    def of(cls, plain: Mapping[str, Any], detected: Mapping[str, Any]) -> Self:
        """Raises BenchError where one of them did not run."""
        for answer in (plain, detected):
            if "seconds" not in answer:
                raise BenchError(f"stress: the slowdown could not be measured: {dict(answer)}")
        return cls(
            plain=plain["seconds"],
            detected=detected["seconds"],
            plain_kib=plain["kib"],
            detected_kib=detected["kib"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StressResult:
    """Everything that was seen."""

    tools: tuple[str, ...]
    missing: tuple[str, ...]
    samples: int
    seconds: float
    verdicts: tuple[Verdict, ...]
    slowdown: tuple[SlowdownRound, ...]
    parallel: bool

    def found(self, *tools: str) -> set[str]:
        """Samples whose racy form at least one of the tools found, or hung on."""
        return {
            verdict.sample
            for verdict in self.verdicts
            if verdict.tool in tools and verdict.form == "racy" and (verdict.found or verdict.hang)
        }

    def missed(self) -> list[str]:
        """What another tool found and ftstress did not."""
        others = [tool for tool in self.tools if tool not in OURS]
        return sorted(self.found(*others) - self.found(*OURS))

    def section(self, command: str) -> Section:
        """Everything, as it is shown."""
        missed = self.missed()
        notes = [
            f"{self.samples} samples, each as a racy form and its mended twin, {self.seconds:g} s"
            " for each tool and form, each in a process of its own.",
            "Time to the first failure is the median over what was found, imports included."
            " A process that had to be ended counts as found in a racy form, and as no verdict in"
            " a mended one.",
            "`ftstress run` and threadcheck run a form once. racecheck runs it in two"
            " operations and pytest-run-parallel in four threads; both see only what raises.",
            "Found by another tool and not by ftstress: " + (", ".join(missed) or "nothing") + ".",
        ]
        if self.missing:
            notes.append(f"Could not be fetched, and left out: {', '.join(self.missing)}.")
        rows = [self._row(tool, (tool,)) for tool in self.tools]
        rows.insert(len(OURS), self._row("ftstress, either", OURS))
        ratios = [turn.detected / turn.plain for turn in self.slowdown]
        memory = [turn.detected_kib / turn.plain_kib for turn in self.slowdown]
        return Section(
            name="stress",
            title="Finding the samples' mistakes",
            command=command,
            notes=notes,
            tables=[
                Table(
                    title="",
                    columns=(
                        "tool",
                        "found",
                        "hung",
                        "to failure, s",
                        "false alarms",
                        "no verdict",
                    ),
                    rows=rows,
                )
            ],
            aims=[
                Aim(
                    measure="race detector on the example's analysis: times slower",
                    value=Spread.of(ratios),
                    aim=AIM_SLOWDOWN,
                    at_most=True,
                    parallel=self.parallel,
                ),
                Aim(
                    measure="race detector on the example's analysis: times the memory",
                    value=Spread.of(memory),
                    aim=AIM_MEMORY,
                    at_most=True,
                ),
                Aim(
                    measure="samples that another tool found and ftstress did not",
                    value=Spread.of([float(len(missed))]),
                    aim=0.0,
                    at_most=True,
                ),
            ],
            data={
                "verdicts": [asdict(verdict) for verdict in self.verdicts],
                "slowdown": [asdict(turn) for turn in self.slowdown],
            },
        )

    def _row(self, name: str, tools: tuple[str, ...]) -> tuple[str, ...]:
        mine = [verdict for verdict in self.verdicts if verdict.tool in tools]
        racy = [verdict for verdict in mine if verdict.form == "racy"]
        times = [verdict.seconds for verdict in racy if verdict.found]
        alarms = {v.sample for v in mine if v.form == "mended" and v.found}
        return (
            name,
            f"{len(self.found(*tools))} of {self.samples}",
            str(sum(verdict.hang for verdict in racy)),
            f"{statistics.median(times):.2f}" if times else "-",
            str(len(alarms)),
            str(sum(bool(v.error) or (v.hang and v.form == "mended") for v in mine)),
        )
