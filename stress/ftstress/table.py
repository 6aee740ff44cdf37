"""A run as a table: one column a thread, one row a step, in the words of the source.

Must never need more than the run: it is also what a failing test prints.
"""

import shutil
import textwrap
from dataclasses import dataclass, field
from typing import Final

from ftstress.control import Run
from ftstress.findings import Location, ScheduleTable, TableRow
from ftstress.tasks import Step, TaskId, task_name

_LEAST: Final = 24  # characters of a column, below which code is not readable
_WIDEST: Final = 200
# Steps without a switch that are shown at each end of a longer stretch.
_SHOWN: Final = 6


@dataclass(slots=True)
class _Row:
    task: TaskId
    location: Location | None
    text: str
    notes: list[str] = field(default_factory=list)
    switches: bool = False


def steps_of(run: Run) -> ScheduleTable:
    """The steps of a run, and how it ended.

    A row is a line that was executed; ``stops before`` tells where within it another thread came in
    between, ``waits for`` why it could not go on. Long stretches of one thread are shortened.
    """
    rows = _rows(run.steps)
    for task, site, what in run.stuck:
        last = next((row for row in reversed(rows) if row.task == task), None)
        if last is None or not any(note.startswith("waits for") for note in last.notes):
            where = Location(site.filename, site.line) if site.line else None
            rows.append(_Row(task, where, site.text, [f"waits for {what}"]))
    tasks = sorted({row.task for row in rows})
    return ScheduleTable(
        tuple(f"{task_name(task)} {run.titles[task]}" for task in tasks),
        tuple(
            TableRow(tasks.index(row.task), row.location, row.text, tuple(row.notes), row.switches)
            for row in _shortened(rows)
        ),
        "passed" if run.failure is None else f"=> {run.failure}",
    )


def table(steps: ScheduleTable, width: int = 0) -> str:
    """The same as text.

    Args:
        width: characters of a line; that of the terminal by default.
    """
    width = min(_WIDEST, width or shutil.get_terminal_size((110, 24)).columns)
    where = max([len(row.where) for row in steps.rows], default=0)
    column = max(_LEAST, (width - where - 4) // max(1, len(steps.threads)) - 3)
    rule = "-" * where + "-+-" + "-+-".join("-" * column for _ in steps.threads)
    names = [textwrap.shorten(name, column, placeholder="") for name in steps.threads]
    lines = [_line("", names, where, column), rule]
    for row in steps.rows:
        label = row.where
        notes = [part for note in row.notes for part in _wrapped(note, column, "  ")]
        for part in [*_wrapped(row.text, column), *notes]:
            cells = ["" for _ in steps.threads]
            cells[row.column] = part
            lines.append(_line(label, cells, where, column))
            label = ""
    lines += [rule, steps.ending]
    return "\n".join(line.rstrip() for line in lines)


def _rows(steps: list[Step]) -> list[_Row]:
    """What was executed, in its order: steps on one line are one row until another thread comes."""
    rows: list[_Row] = []
    last: tuple[TaskId, str, int] | None = None
    resumed: dict[
        TaskId, tuple[_Row, tuple[TaskId, str, int]]
    ] = {}  # what a thread will do first when it has its turn again
    for step in steps:
        site = step.site
        text = site.text or site.place.function or site.place.file
        where = (
            Location(site.filename, site.line, site.place.function, site.text)
            if site.line
            else None
        )
        key = (step.task, site.filename or text, site.line)
        if step.reason == "ended":
            rows.append(_Row(step.task, None, "(ends)"))
        elif step.chosen == step.task:
            if key != last:
                rows.append(_Row(step.task, where, text))
            if step.reason == "blocked":
                rows[-1].notes.append(f"waits for {step.wait}")
        elif step.reason == "point" and (key != last or not site.place.operation):
            resumed[step.task] = (_Row(step.task, where, text), key)
        else:
            if key != last:
                rows.append(_Row(step.task, where, text))
            verb = f"waits for {step.wait}"
            if step.reason == "point":
                verb = f"stops before: {site.place.operation}"
            rows[-1].notes.append(verb)
            does = site.place.operation if step.reason == "point" else "goes on"
            resumed[step.task] = (_Row(step.task, where, f"... {does}"), key)
        last = key
        if step.chosen != step.task:
            last = None
            if rows and rows[-1].task == step.task:
                rows[-1].switches = step.enabled > 1 and step.chosen != step.default
            if step.chosen in resumed:
                row, last = resumed.pop(step.chosen)
                rows.append(row)
    return rows


def _shortened(rows: list[_Row]) -> list[_Row]:
    out: list[_Row] = []
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and rows[end].task == rows[start].task:
            end += 1
        stretch = rows[start:end]
        if len(stretch) > 2 * _SHOWN + 1:
            left_out = _Row(stretch[0].task, None, f"... {len(stretch) - 2 * _SHOWN} more steps")
            out += [*stretch[:_SHOWN], left_out, *stretch[-_SHOWN:]]
        else:
            out += stretch
        start = end
    return out


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ") or [
        ""
    ]


def _line(label: str, cells: list[str], where: int, column: int) -> str:
    return f"{label:<{where}} | " + " | ".join(f"{cell:<{column}}" for cell in cells)
