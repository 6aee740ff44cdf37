"""One HTML page from a run: aims, plots and tables, with nothing to load from elsewhere.

Plots are SVG text, so that the page is one file which can be mailed and printed. Must never be
given anything but the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .report import AIM_COLUMNS, Run, Section, Table
from .svg import draw

_STYLE = """\
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fff; --faint: #8a93a3; --line: #d7dce4;
  --good: #1a7f4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --paper: #14181f; --faint: #8a93a3;
  --line: #333b48; --good: #58c38a; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
pre, code { font: 13px/1.45 ui-monospace, monospace; } pre { white-space: pre-wrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
.reached { color: var(--good); } .missed { color: var(--bad); font-weight: 600; }
svg { max-width: 100%; height: auto; margin: 1rem 0; } svg text { fill: var(--ink);
  font: 12px system-ui, sans-serif; } svg .faint { fill: var(--faint); } svg .grid {
  stroke: var(--line); } svg .limit { stroke: var(--ink); stroke-dasharray: 4 3; } svg .range {
  stroke: var(--ink); stroke-width: 1; }
"""


def page(run: Run) -> str:
    """The whole file."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>ftbridge benchmarks, {escape(run.date)}</title>",
        f"<style>{_STYLE}</style></head><body>",
        "<h1>ftbridge benchmarks</h1>",
        f"<p>One run of <code>{escape(run.command)}</code> on {escape(run.date)}. Medians of the"
        " rounds with their range; ratios are taken inside a round first.</p>",
        f"<pre>{escape(chr(10).join([*run.heading, *run.control]))}</pre>",
    ]
    aims = [aim.row() for aim in run.aims()]
    if aims:
        parts += ["<h2>Aims</h2>", _table("", AIM_COLUMNS, aims)]
    for section in run.sections:
        parts += _section(section)
    return "\n".join([*parts, "</body></html>", ""])


def _section(section: Section) -> list[str]:
    return [
        f'<h2 id="{escape(section.name)}">{escape(section.title)}</h2>',
        f"<p><code>{escape(section.command)}</code></p>",
        *(f"<p>{escape(note)}</p>" for note in section.notes),
        *(draw(plot) for plot in section.plots),
        *(_of(table) for table in section.tables),
    ]


def _of(table: Table) -> str:
    return _table(table.title, table.columns, table.rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    kind = f' class="{text}"' if text in ("reached", "missed") else ""
    return f"<td{kind}>{escape(text)}</td>"
