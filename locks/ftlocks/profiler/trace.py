"""A profile's timeline in the trace event format of Chrome, which Perfetto reads too.

A track for each thread with its waits, holds and idle stretches, and an arrow from the end of a
hold to the end of the wait that it ended. Format: "Trace Event Format" (Google, 2016). Times are
microseconds since the profile began. Must never emit an arrow with one end only: viewers drop it,
or draw it anywhere.
"""

import json
import os
from typing import Any

from ftlocks.profiler.report import Profile, Stretch, ThreadReport

_NAMES = {"wait": "waits for", "hold": "holds", "idle": "awaits", "gave up": "gave up on"}


def chrome_trace(profile: Profile) -> str:
    """The trace as JSON."""
    process = os.getpid()
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": process, "args": {"name": profile.title}}
    ]
    arrows = 0
    for track, thread in enumerate(profile.threads):
        events += _named(thread, track, process)
        for stretch in thread.stretches:
            events.append(_slice(profile, stretch, track, process))
            if stretch.kind == "wait" and stretch.after >= 0:
                arrows += 1
                events += _arrow(profile, stretch, track, process, arrows)
    return json.dumps(
        {
            "traceEvents": events,
            "displayTimeUnit": "ns",
            "otherData": {"notes": "; ".join(profile.notes)},
        }
    )


def _named(thread: ThreadReport, track: int, process: int) -> list[dict[str, Any]]:
    common = {"ph": "M", "pid": process, "tid": track}
    return [
        {**common, "name": "thread_name", "args": {"name": thread.name}},
        {**common, "name": "thread_sort_index", "args": {"sort_index": track}},
    ]


def _slice(profile: Profile, stretch: Stretch, track: int, process: int) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": f"{_NAMES[stretch.kind]} {stretch.label}",
        "cat": stretch.kind,
        "pid": process,
        "tid": track,
        "ts": (stretch.start_ns - profile.started_ns) / 1000,
        "dur": (stretch.end_ns - stretch.start_ns) / 1000,
        "args": {"mode": stretch.detail} if stretch.detail else {},
    }


def _arrow(
    profile: Profile, stretch: Stretch, track: int, process: int, number: int
) -> list[dict[str, Any]]:
    common = {"name": "let go", "cat": "handover", "id": number, "pid": process}
    return [
        {
            **common,
            "ph": "s",
            "tid": stretch.after,
            "ts": (stretch.after_ns - profile.started_ns) / 1000,
        },
        {
            **common,
            "ph": "f",
            "bp": "e",
            "tid": track,
            "ts": (stretch.end_ns - profile.started_ns) / 1000,
        },
    ]
