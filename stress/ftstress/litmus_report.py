"""A litmus test's result as a table for people and as data for programs, and back.

Must never run a test.
"""

import textwrap
from dataclasses import asdict
from typing import Any, Final

from ftstress.litmus import FORBIDDEN, NOT_PROVED, LitmusResult, Row

_OUTCOME: Final = 36  # characters; longer outcomes are shortened
_WIDTH: Final = 100


def text(result: LitmusResult) -> str:
    """The table, and under it what it comes to."""
    head = f"{result.test}: {result.summary}" if result.summary else result.test
    mine = "GIL" if result.gil else "no GIL"
    columns = ["outcome", mine, "freq"]
    if result.twin:
        columns += ["GIL twin", "freq"]
    columns += ["grade", ""]
    lines = [columns]
    for row in result.rows:
        cells = [_short(row.outcome), f"{row.count:,}", _share(row.count, result.trials)]
        if result.twin:
            twin = row.twin_count or 0
            cells += [f"{twin:,}", _share(twin, result.twin_trials)]
        grade = row.grade.upper() if row.grade == FORBIDDEN else row.grade
        lines.append([*cells, grade, row.why])
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns) - 1)]
    parts = [head, ""]
    for line in lines:
        cells = [
            cell.ljust(width) if index in (0, len(widths) - 1) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line[:-1], widths, strict=True))
        ]
        start = "  " + "  ".join(cells)
        room = max(24, _WIDTH - len(start) - 2)
        first, *rest = textwrap.wrap(line[-1], room) or [""]
        parts.append(f"{start}  {first}".rstrip())
        parts += [" " * (len(start) + 2) + more for more in rest]
    parts += ["", *_ending(result)]
    return "\n".join(parts)


def _ending(result: LitmusResult) -> list[str]:
    runs = f"{result.trials:,} trials in {result.seconds:.1f} s on {result.interpreter}"
    if result.twin:
        runs += f", {result.twin_trials:,} on {result.twin}"
    lines = [f"{runs}; seed {result.seed}"]
    if result.twin_missing:
        lines.append(f"GIL twin: {result.twin_missing}")
    seen = [row for row in result.rows if row.grade == FORBIDDEN and (row.count or row.twin_count)]
    if seen:
        lines.append(f"FORBIDDEN: {'; '.join(_short(row.outcome) for row in seen)}")
    elif result.status:
        lines.append(
            "NO PASS: the GIL was on, so that no two threads ran at the same moment"
            if result.gil
            else "NO PASS: no trial was run"
        )
    else:
        lines.append("passed: no forbidden outcome")
    return lines


def _share(count: int, total: int) -> str:
    if not count or not total:
        return "-"
    share = 100 * count / total
    return f"{share:.2f} %" if share >= 0.01 else "<0.01 %"


def _short(outcome: str) -> str:
    return outcome if len(outcome) <= _OUTCOME else outcome[: _OUTCOME - 3] + "..."


def data(result: LitmusResult) -> dict[str, Any]:
    """What JSON can hold."""
    return {**asdict(result), "status": result.status, "not_proved": NOT_PROVED}


def from_data(found: dict[str, Any]) -> LitmusResult:
    """The reverse of `data`."""
    fields = {name: found[name] for name in LitmusResult.__slots__}
    return LitmusResult(**{**fields, "rows": tuple(Row(**row) for row in found["rows"])})
