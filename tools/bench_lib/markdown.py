"""docs/benchmarks.md from a run. Must never be given anything but the run."""

from __future__ import annotations

from .report import AIM_COLUMNS, Run, Table

COMMAND = "./tools/bench all --write-docs"


def page(run: Run) -> str:
    """The whole file."""
    out = [
        "# Benchmarks",
        "",
        f"<!-- Written by `{COMMAND}` from one run. Do not edit: run it again. -->",
        "",
        f"One run of `{run.command}` on {run.date}, in {run.seconds / 60:.0f} minutes. Every"
        " contender was measured in every round, one right after the other; figures are medians of"
        " the rounds with their range in brackets. Ratios are taken inside a round first. Load"
        " generator and servers share the machine's cores: believe the ratios.",
        "",
        "```text",
        *run.heading,
        *run.control,
        "```",
        "",
    ]
    aims = [aim.row() for aim in run.aims()]
    if aims:
        out += ["## Aims", "", *Table(title="", columns=AIM_COLUMNS, rows=aims).markdown()]
    for section in run.sections:
        out += [f"## {section.title}", "", f"`{section.command}`", ""]
        for note in section.notes:
            out += [note, ""]
        for table in section.tables:
            out += table.markdown()
    return "\n".join(out).rstrip() + "\n"
