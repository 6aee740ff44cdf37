"""A report for a terminal.

The end comes last because it is what stays on the screen: what was found, what was looked at, and
what that does not mean.
"""

import textwrap
from collections import Counter
from typing import Final

from ftstress.findings import KINDS, Finding, OutcomeTable, Report, Side

_WIDTH: Final = 92


def text(report: Report) -> str:
    """The report, without a newline at its end."""
    parts = [finding_text(finding) for finding in report.findings]
    if report.benign:
        parts.append(
            "\n".join(
                f"benign: {finding.subject}"
                f"{f' at {finding.locations[0]}' if finding.locations else ''}: {finding.benign}"
                for finding in report.benign
            )
        )
    parts += [outcome_text(table) for table in report.outcomes]
    parts += _measured(report)
    if report.notes:
        parts.append("\n".join(line for note in report.notes for line in filled("", note)))
    lines = [summary(report), *(f"  {part}" for part in report.explored), f"  {report.build}"]
    lines += [f"NO PASS: {doubt}" for doubt in report.doubts]
    parts.append("\n".join(lines))
    parts.append("\n".join(filled("What a pass does not mean: ", " ".join(report.not_proved))))
    return "\n\n".join(parts)


def summary(report: Report) -> str:
    """How many of what, in a line."""
    if not report.findings:
        return f"{report.title}: nothing found"
    kinds = Counter(KINDS[finding.kind][0].lower() for finding in report.findings)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    count = len(report.findings)
    return f"{report.title}: {count} finding{'s' if count > 1 else ''}: {found}"


def finding_text(finding: Finding) -> str:
    """One finding: in its detector's own words, where there are any."""
    if finding.text:
        parts = [finding.text]
    else:
        times = f" ({finding.count} times)" if finding.count > 1 else ""
        parts = [f"{finding.title}{times}", *filled("  ", finding.message)]
        for side in finding.sides:
            parts += ["", *_side(side)]
        for title, words in (
            ("Order", finding.order),
            ("Why it is wrong", finding.explanation),
            ("Usual remedy", finding.mend),
        ):
            if words:
                parts += ["", *filled(f"  {title}: ", words)]
    if finding.replay and finding.replay not in finding.text:
        parts += ["", f"  again: {finding.replay}"]
    return "\n".join(parts)


def _side(side: Side) -> list[str]:
    lines = [f"  {side.thread}: {side.action}"]
    for index, place in enumerate(side.stack):
        lines.append(f"    {place}")
        if place.code:
            lines.append(f"    {'  ' if index else '>>'}    {place.code}")
    if side.locks:
        lines.append(f"    locks held: {', '.join(side.locks)}")
    if side.started_at is not None:
        lines.append(f"    thread started by {side.started_by!r} at {side.started_at}")
    return lines


def outcome_text(table: OutcomeTable) -> str:
    """The outcomes, and beside each how often it came, on the twin as well where that ran."""
    lines = [["outcome", "count", "share", "grade", "meaning"]]
    twin = table.twin_total
    if twin is not None:
        lines[0][3:3] = ["twin", "share"]
    for row in table.rows:
        cells = [row.outcome, f"{row.count:,}", share(row.count, table.total)]
        if twin is not None:
            cells += [f"{row.twin_count or 0:,}", share(row.twin_count or 0, twin)]
        lines.append([*cells, row.grade, row.meaning])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        [
            f"{table.name}:",
            *("  " + "  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines),
        ]
    )


def _measured(report: Report) -> list[str]:
    """A table of throughput for each workload."""
    parts = []
    for name in dict.fromkeys(each.name for each in report.measurements):
        lines = [
            [each.label, *(f"{value:,.0f}" for value in (each.median, each.low, each.high))]
            for each in report.measurements
            if each.name == name
        ]
        unit = next(each.unit for each in report.measurements if each.name == name)
        rows = [["", f"median {unit}", "lowest", "highest"], *lines]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        told = [
            f"  {row[0]:<{widths[0]}}  " + "  ".join(map(str.rjust, row[1:], widths[1:]))
            for row in rows
        ]
        parts.append("\n".join([f"{name}:", *told]))
    return parts


def share(count: int, total: int) -> str:
    """In percent, and never 0 for what did happen."""
    if not count or not total:
        return "-"
    percent = 100 * count / total
    return f"{percent:.2f} %" if percent >= 0.01 else "<0.01 %"


def filled(start: str, words: str) -> list[str]:
    """Lines of a paragraph that begins with `start`; the rest is indented by as much and two."""
    indent = " " * (len(start) - len(start.lstrip()) + 2)
    return textwrap.wrap(
        start + words, _WIDTH, subsequent_indent=indent, break_on_hyphens=False
    ) or [start.rstrip()]
