"""What a benchmark found, in one form for all of them: tables, plots and aims.

A run is a head and sections. It is JSON first; the terminal, the HTML page and docs/benchmarks.md
are made from that alone, so none can say what another does not. Must never import grpc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from .spread import Spread

NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is to be seen at the end, and what was."""

    measure: str
    value: Spread
    aim: float
    at_most: bool = False
    parallel: bool = True
    """Whether the machine had a second core to give; if not, nothing is judged."""

    @property
    def reached(self) -> bool:
        """By the median."""
        return self.value.median <= self.aim if self.at_most else self.value.median >= self.aim

    @property
    def verdict(self) -> str:
        if not self.parallel:
            return NOT_JUDGED
        return "reached" if self.reached else "missed"

    def row(self) -> tuple[str, ...]:
        sense = "at most" if self.at_most else "at least"
        return (self.measure, self.value.format(".2f"), f"{sense} {self.aim:g}", self.verdict)

    def as_json(self) -> dict[str, object]:
        return {
            "measure": self.measure,
            "value": self.value.as_json(),
            "aim": self.aim,
            "at_most": self.at_most,
            "parallel": self.parallel,
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        value = found["value"]
        return cls(
            measure=found["measure"],
            value=Spread(value["median"], value["min"], value["max"]),
            aim=found["aim"],
            at_most=found["at_most"],
            parallel=found["parallel"],
        )


AIM_COLUMNS = ("measure", "median (min..max)", "aim", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Text in rows; the first column names them, the others are figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self) -> list[str]:
        """For a terminal."""
        header = (self.title, *self.columns[1:]) if not self.columns[0] else self.columns
        out = [self.title] if self.columns[0] and self.title else []
        widths = [max(len(row[i]) for row in (header, *self.rows)) for i in range(len(header))]
        return out + [
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (header, *self.rows)
        ]

    def markdown(self) -> list[str]:
        rule = ["---", *("---:" for _ in self.columns[1:])]
        return [
            *([f"**{self.title}**", ""] if self.title else []),
            *("| " + " | ".join(cells) + " |" for cells in (self.columns, rule, *self.rows)),
            "",
        ]

    def as_json(self) -> dict[str, object]:
        rows = [list(row) for row in self.rows]
        return {"title": self.title, "columns": list(self.columns), "rows": rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A figure for each series in each category: bars, or lines where categories have an order."""

    title: str
    unit: str
    categories: Sequence[str]
    series: Mapping[str, Sequence[Spread | None]]
    kind: str = "bars"
    limit: float | None = None
    """A line across: an aim, or the best there can be."""

    def as_json(self) -> dict[str, object]:
        return {
            "title": self.title,
            "unit": self.unit,
            "categories": list(self.categories),
            "kind": self.kind,
            "limit": self.limit,
            "series": {
                name: [None if value is None else value.as_json() for value in values]
                for name, values in self.series.items()
            },
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        series = {
            name: [
                None if value is None else Spread(value["median"], value["min"], value["max"])
                for value in values
            ]
            for name, values in found["series"].items()
        }
        return cls(**{**found, "series": series})


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one benchmark found."""

    name: str
    title: str
    command: str
    """What runs this one again."""
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    aims: Sequence[Aim] = ()
    data: object = None
    """Every figure of every round."""

    def lines(self) -> list[str]:
        """For a terminal."""
        out = ["", self.title, "=" * len(self.title), *self.notes]
        for table in self.tables:
            out += ["", *table.lines()]
        if self.aims:
            rows = [aim.row() for aim in self.aims]
            out += ["", *Table(title="", columns=AIM_COLUMNS, rows=rows).lines()]
        return out

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "title": self.title,
            "command": self.command,
            "notes": list(self.notes),
            "tables": [table.as_json() for table in self.tables],
            "plots": [plot.as_json() for plot in self.plots],
            "aims": [aim.as_json() for aim in self.aims],
            "data": self.data,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **found,
                "tables": [Table(**table) for table in found["tables"]],
                "plots": [Plot.from_json(plot) for plot in found["plots"]],
                "aims": [Aim.from_json(aim) for aim in found["aims"]],
            }
        )


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of `tools/bench`."""

    command: str
    date: str
    machine: Mapping[str, Any]
    heading: Sequence[str]
    """The machine and the versions, a line each."""
    control: Sequence[str]
    """What the two-process control said, before and after."""
    seconds: float = 0.0
    sections: list[Section] = field(default_factory=list)

    def aims(self) -> list[Aim]:
        return [aim for section in self.sections for aim in section.aims]

    def as_json(self) -> dict[str, object]:
        return {
            "command": self.command,
            "date": self.date,
            "machine": dict(self.machine),
            "heading": list(self.heading),
            "control": list(self.control),
            "seconds": self.seconds,
            "sections": [section.as_json() for section in self.sections],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Raises:
        KeyError, TypeError: it is not what `as_json` gave.
        """
        sections = [Section.from_json(section) for section in found["sections"]]
        return cls(**{**found, "sections": sections})
