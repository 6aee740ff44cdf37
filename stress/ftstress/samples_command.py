"""``ftstress samples``: list them, show one, or see whether the detectors find what they should.

Exit status: 0; with --check 1 where a racy form was not found or a mended one complained of; 2 for
wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ftstress import twins
from ftstress.findings import Build
from ftstress.progress import Progress
from ftstress.samples import (
    DETECTORS,
    MENDED_SCHEDULES,
    SCHEDULES,
    Sample,
    SampleError,
    check,
    folder_of,
    named,
    samples,
)

# Seconds for one sample, all its detectors and runs.
_TIMEOUT: Final = 300.0


def add_samples(parser: argparse.ArgumentParser) -> None:
    """The arguments of `samples`."""
    parser.add_argument("name", nargs="*", help="of the samples to show or check: a number or file")
    parser.add_argument(
        "--check",
        action="store_true",
        help="run the detectors on the racy forms, and on the mended twins again and again",
    )
    parser.add_argument(
        "--rounds", type=int, default=10, help="with --check: of the mended twins (default: 10)"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="with --check: the table there")
    parser.add_argument("--folder", metavar="FOLDER", type=Path, help="where the samples are")
    parser.add_argument("--json", action="store_true", help="with --check: results on stdout")
    parser.set_defaults(execute=_samples)


def _samples(options: argparse.Namespace) -> int:
    try:
        folder = folder_of(options.folder)
        if options.rounds < 1:
            raise SampleError(f"--rounds must be at least 1, got {options.rounds}")
        chosen = [named(folder, name) for name in options.name] or samples(folder)
        if options.check:
            return _check(chosen, options)
    except (OSError, SyntaxError, SampleError) as error:
        print(f"ftstress: {error}", file=sys.stderr)
        return 2
    if options.name:
        print("\n\n".join(sample.path.read_text("utf-8").rstrip() for sample in chosen))
        return 0
    for sample in chosen:
        print(f"{sample.path.stem:32}  {', '.join(sample.found_by):24}  {sample.title}")
    return 0


def _check(chosen: Sequence[Sample], options: argparse.Namespace) -> int:
    if options.json and len(chosen) == 1:
        seen = [asdict(each) for each in check(chosen[0], options.rounds)]
        print(json.dumps(seen))
        return 0 if _is_good(seen) else 1
    progress = Progress()
    results: list[tuple[Sample, list[dict[str, Any]] | str]] = []
    for number, sample in enumerate(chosen, 1):
        progress.show(f"{number} of {len(chosen)}: {sample.path.stem}")
        results.append((sample, _apart(sample, options)))
    progress.clear()
    table = _table(results, options.rounds)
    if options.output is not None:
        options.output.write_text(table, encoding="utf-8")
    if options.json:
        shown = {sample.path.stem: seen for sample, seen in results}
        print(json.dumps(shown, indent=1))
    else:
        print(table, end="")
    return 0 if all(_is_good(seen) for _, seen in results) else 1


def _apart(sample: Sample, options: argparse.Namespace) -> list[dict[str, Any]] | str:
    """What was seen, in a process of its own; why nothing was, in words."""
    arguments = ["samples", sample.path.name, "--check", "--json"]
    arguments += ["--rounds", str(options.rounds), "--folder", str(sample.path.parent)]
    try:
        seen = twins.here(arguments, _TIMEOUT)
    except twins.TwinError as error:
        return f"failed: {error}"
    assert isinstance(seen, list)
    return seen


def _is_good(seen: list[dict[str, Any]] | str) -> bool:
    if isinstance(seen, str):
        return False
    return any(each["found"] for each in seen) and not any(each["false"] for each in seen)


def _table(results: Sequence[tuple[Sample, list[dict[str, Any]] | str]], rounds: int) -> str:
    """A page in Markdown."""
    good = sum(_is_good(seen) for _, seen in results)
    lines = [
        "# Samples: what finds what",
        "",
        f"Made by `ftstress samples --check` on {Build.this()}. {good} of {len(results)} samples: "
        f"the racy form was found by at least one detector, and none said anything of the mended "
        f"twin in {rounds} runs of each.",
        "",
        f"Budgets: one run for `races` and `order`; {SCHEDULES} schedules, for each of two seeds, "
        "for `schedules`; as many for `litmus`; 20 scripts with 200 schedules each for `objects`. "
        f"A run of a mended twin is one of these, with {MENDED_SCHEDULES} schedules, or 500 trials "
        "in parallel. A cell has the seconds until it was found; `missed` where a detector that "
        "the sample names did not find it; nothing where it is not named.",
        "",
        f"| sample | {' | '.join(DETECTORS)} | mended twin |",
        f"| --- |{' ---: |' * len(DETECTORS)} --- |",
    ]
    for sample, seen in results:
        title = f"[{sample.path.stem}](../stress/samples/{sample.path.name})"
        if isinstance(seen, str):
            lines.append(f"| {title} |{' |' * len(DETECTORS)} {seen} |")
            continue
        by_name = {each["detector"]: each for each in seen}
        cells = []
        for detector in DETECTORS:
            if detector not in sample.found_by:
                cells.append("")
            elif by_name[detector]["found"]:
                cells.append(f"{by_name[detector]['seconds']:.2f} s")
            else:
                cells.append("missed")
        false = [f"{each['detector']}: {each['false']}" for each in seen if each["false"]]
        mended = "; ".join(false) or f"silent, {rounds} runs"
        lines.append(f"| {title} | {' | '.join(cells)} | {mended} |")
    return "\n".join(lines) + "\n"
