"""Which format a CPU profile's file gets, by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ftbridge.cpuprofile.flamegraph import flamegraph
from ftbridge.cpuprofile.result import CpuProfile
from ftbridge.cpuprofile.table import render
from ftlocks._sites import Frame
from ftlocks.profiler.formats import format_among, write_whole
from ftlocks.profiler.stacks import speedscope_document


def collapsed(profile: CpuProfile) -> str:
    """One line a stack, outermost first, with microseconds: input of flame graph tools."""
    lines = []
    for stack in profile.stacks:
        names = [stack.thread, *[str(frame) for frame in stack.frames]]
        path = ";".join(name.replace(";", ",") for name in names)
        lines.append(f"{path} {max(1, round(stack.cpu_ns / 1000))}\n")
    return "".join(lines)


def speedscope(profile: CpuProfile) -> str:
    """A speedscope file with a profile for each thread, the busiest first."""
    threads: dict[str, list[tuple[tuple[Frame, ...], int]]] = {}
    for stack in profile.stacks:
        threads.setdefault(stack.thread, []).append((stack.frames, stack.cpu_ns))
    ranked = sorted(threads.items(), key=lambda item: -sum(ns for _, ns in item[1]))
    return speedscope_document(profile.title, ranked, exporter="ftbridge")


def _json(profile: CpuProfile) -> str:
    return json.dumps(profile.as_dict(), indent=1) + "\n"


def _text(profile: CpuProfile) -> str:
    return render(profile) + "\n"


# Name, ending, what makes it. The first ending that fits counts.
FORMATS: Final[dict[str, tuple[str, Callable[[CpuProfile], str]]]] = {
    "speedscope": (".speedscope.json", speedscope),
    "svg": (".svg", flamegraph),
    "collapsed": (".collapsed", collapsed),
    "json": (".json", _json),
    "table": (".txt", _text),
}


def format_of(path: Path, name: str | None = None) -> str:
    """The format's name; `ValueError`, which lists them, where none fits."""
    return format_among(FORMATS, path, name)


def write(profile: CpuProfile, path: Path, name: str | None = None) -> None:
    """Write a report; the file appears complete, and an older one stays if this fails."""
    write_whole(path, FORMATS[format_of(path, name)][1](profile).encode())
