"""A CPU profile as text for a terminal: where the time went, in functions and in lines.

Must never use anything but plain characters: it also goes into log files.
"""

from __future__ import annotations

from typing import Final

from ftbridge.cpuprofile.result import CpuProfile, Hot
from ftlocks._sites import short
from ftlocks.profiler.table import duration

FUNCTIONS: Final = 15
LINES: Final = 5
THREADS: Final = 8


def render(profile: CpuProfile) -> str:
    """The table: shares are of the time that stacks are known for."""
    lines = [
        f"{profile.title}: {duration(profile.cpu_ns)} of CPU time in "
        f"{duration(profile.duration_ns)} ({profile.interpreter}; "
        f"{profile.samples} samples by {profile.sampler})",
        "",
    ]
    whole = profile.sampled_ns
    if not whole:
        return "\n".join([*lines, "No thread was seen at work.", *_notes(profile)])
    lines.append("    self    total  function")
    lines += [_row(hot, whole) for hot in profile.functions()[:FUNCTIONS]]
    lines += ["", "    self    total  line"]
    lines += [_row(hot, whole) for hot in profile.lines()[:LINES] if hot.self_ns]
    threads: dict[str, int] = {}
    for stack in profile.stacks:
        threads[stack.thread] = threads.setdefault(stack.thread, 0) + stack.cpu_ns
    if len(threads) > 1:
        ranked = sorted(threads.items(), key=lambda item: -item[1])
        told = [f"{name} {spent / whole:.0%}" for name, spent in ranked[:THREADS]]
        more = f", {len(threads) - THREADS} more" if len(threads) > THREADS else ""
        lines += ["", f"threads: {', '.join(told)}{more}"]
    return "\n".join([*lines, *_notes(profile)])


def _row(hot: Hot, whole: int) -> str:
    place = f"{short(hot.file)}:{hot.line}" if hot.line else short(hot.file)
    own, total = hot.self_ns / whole, hot.total_ns / whole
    return f"  {own:6.1%}   {total:6.1%}  {hot.function} ({place})"


def _notes(profile: CpuProfile) -> list[str]:
    lines = [""]
    missing = profile.cpu_ns - profile.sampled_ns
    if missing > profile.cpu_ns / 20:
        lines.append(
            f"note: {missing / profile.cpu_ns:.0%} of the CPU time has no stack: threads that "
            "ended before they were looked at, or are not Python's"
        )
    return [*lines, *[f"note: {note}" for note in profile.notes]]
