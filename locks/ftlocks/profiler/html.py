"""A profile as one HTML page that needs nothing else: no network, no library, no second file.

The page is `report.html` beside this module, with style and script inside; here the figures are put
into it as JSON. Must never put a name from the program into the page as markup.
"""

import json
from importlib.resources import files
from typing import Any, Final

from ftlocks._sites import Frame
from ftlocks.profiler.histogram import bounds_of
from ftlocks.profiler.report import Holder, LockReport, Place, Profile, Times, place_of
from ftlocks.profiler.table import extra as extra_of
from ftlocks.profiler.table import meaning

# Stretches of time that go into the page, the longest of all threads': 50,000 make 2 MB, which a
# browser draws in a blink. The JSON and trace formats have all.
STRETCHES: Final = 50_000
# Places and holders shown for each lock.
PLACES: Final = 30

_MARK: Final = "__PROFILE__"


def html(profile: Profile) -> str:
    """The page."""
    page = files("ftlocks.profiler").joinpath("report.html").read_text("utf-8")
    data = json.dumps(_data(profile), separators=(",", ":"))
    # "</script>" in a name would end the script it stands in.
    return page.replace(_MARK, data.replace("<", "\\u003c"))


def _data(profile: Profile) -> dict[str, Any]:
    labels = {lock.label: number for number, lock in enumerate(profile.locks)}
    extra: list[str] = []

    def numbered(label: str) -> int:
        if label not in labels:
            labels[label] = len(labels)
            extra.append(label)
        return labels[label]

    stretches = [
        [
            track,
            {"wait": 0, "hold": 1, "idle": 2, "gave up": 3}[each.kind],
            each.start_ns - profile.started_ns,
            each.end_ns - each.start_ns,
            numbered(each.label),
            each.after,
            each.after_ns - profile.started_ns if each.after >= 0 else 0,
        ]
        for track, thread in enumerate(profile.threads)
        for each in thread.stretches
    ]
    left_out = sum(thread.lost for thread in profile.threads)
    if len(stretches) > STRETCHES:
        stretches.sort(key=lambda each: -each[3])
        left_out += len(stretches) - STRETCHES
        del stretches[STRETCHES:]
    stretches.sort(key=lambda each: each[2])
    return {
        "title": profile.title,
        "interpreter": profile.interpreter,
        "duration": profile.duration_ns,
        "waiting": profile.waiting_ns,
        "notes": profile.notes,
        "locks": [_lock(lock) for lock in profile.locks],
        "others": extra,
        "threads": [[thread.name, thread.waiting_ns] for thread in profile.threads],
        "stretches": stretches,
        "leftOut": left_out,
        "blocked": [[*pair, waited] for pair, waited in profile.blocked.items()],
        "idle": [
            [each.label, each.mode, each.count, each.timeouts, each.total_ns, each.max_ns]
            for each in profile.idle
        ],
        "whatIf": [
            [
                each.lock,
                extra_of(each),
                each.verdict,
                each.pairs,
                each.window_ns,
                each.rate,
                each.rate_injected,
                each.loss,
                each.loss_low,
                each.loss_high,
                each.unit,
                meaning(each),
                list(each.matched),
            ]
            for each in profile.what_if
        ],
        "pending": [
            [each.label, each.thread, each.waited_ns, list(each.owners), place_of(each.stack)]
            for each in profile.pending
        ],
    }


def _lock(lock: LockReport) -> dict[str, Any]:
    file, line = lock.made_at
    return {
        "label": lock.label,
        "kind": lock.kind,
        "made": f"{file}:{line}" if file else "",
        "share": lock.share,
        "waiting": lock.waiting_ns,
        "acquired": lock.acquisitions,
        "contended": lock.contentions + lock.short_waits,
        "gaveUp": lock.gave_up,
        "wait": _times(lock.wait),
        "hold": _times(lock.hold),
        "handover": lock.handover_ns,
        "places": [_place(place) for place in lock.places[:PLACES]],
        "holders": [_holder(holder) for holder in lock.holders[:PLACES]],
    }


def _times(times: Times) -> dict[str, Any]:
    return {
        "total": times.total_ns,
        "mean": times.mean_ns,
        "p50": times.p50_ns,
        "p99": times.p99_ns,
        "max": times.max_ns,
        "histogram": [[*bounds_of(bucket), count] for bucket, count in times.histogram.items()],
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "at": place_of(place.stack),
        "stack": _stack(place.stack),
        "waiting": place.waiting_ns,
        "acquired": place.acquisitions,
        "contended": place.contentions + place.short_waits,
        "gaveUp": place.gave_up,
        "p99": place.wait.p99_ns,
        "max": place.wait.max_ns,
        "held": place.hold.total_ns,
    }


def _holder(holder: Holder) -> dict[str, Any]:
    return {
        "at": place_of(holder.stack),
        "stack": _stack(holder.stack),
        "waited": holder.waited_ns,
        "waiters": holder.waiters,
        "releases": holder.releases,
    }


def _stack(stack: tuple[Frame, ...]) -> list[list[str]]:
    return [[each.function, f"{each.file}:{each.line}"] for each in stack]
