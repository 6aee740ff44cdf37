"""Puts a profile together from the buffers of its threads.

Apart from the values (`report`), which every format reads. Must never change a buffer: their
threads run on meanwhile.
"""

import sys
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from ftlocks import _hooks, _records
from ftlocks._records import LockInfo
from ftlocks._sites import Frame, frames
from ftlocks.profiler import histogram
from ftlocks.profiler.histogram import ERROR, Histogram
from ftlocks.profiler.recorder import Blame, Buffer, Figures, Idle
from ftlocks.profiler.report import (
    Holder,
    IdleReport,
    LockReport,
    Pending,
    Place,
    Profile,
    Stretch,
    ThreadReport,
    Times,
    WhatIf,
)
from ftlocks.statistics import owner_named


def build(
    buffers: list[Buffer],
    *,
    title: str,
    started_ns: int,
    ended_ns: int,
    sample: int,
    threshold_ns: int,
    depth: int,
    what_if: tuple[WhatIf, ...] = (),
    notes: Iterable[str] = (),
) -> Profile:
    """Put a profile together."""
    threads, blocked = _threads(buffers)
    locks = lock_reports(buffers, depth)
    return Profile(
        title=title,
        started_ns=started_ns,
        duration_ns=ended_ns - started_ns,
        sample=sample,
        threshold_ns=threshold_ns,
        depth=depth,
        interpreter=interpreter(),
        locks=locks,
        idle=_idle(buffers),
        pending=_pending(ended_ns),
        threads=threads,
        blocked=blocked,
        what_if=what_if,
        notes=(*_standing_notes(sample, threshold_ns), *_injection_notes(what_if, locks), *notes),
    )


def lock_reports(buffers: list[Buffer], depth: int) -> tuple[LockReport, ...]:
    """The locks alone, in the order of the time lost at them."""
    locks = _locks(buffers, depth)
    total = sum(lock.waiting_ns for lock in locks)
    locks = [_with_share(lock, total) for lock in locks]
    locks.sort(key=lambda lock: (-lock.waiting_ns, -lock.acquisitions, lock.label))
    return tuple(locks)


def interpreter() -> str:
    """The interpreter, and whether its GIL is on, in a few words."""
    enabled = sys._is_gil_enabled()
    version = ".".join(map(str, sys.version_info[:3]))
    return f"Python {version}, GIL {'on' if enabled else 'off'}"


def _standing_notes(sample: int, threshold_ns: int) -> list[str]:
    notes = [
        f"uncontended acquisitions: 1 in {sample} is timed, more of a lock's first ones; estimated"
        if sample > 1
        else "every acquisition is timed",
        f"quantiles are read from logarithmic buckets and are within {ERROR:.1%}",
    ]
    if threshold_ns:
        notes.append(f"waits under {threshold_ns / 1000:g} us are only counted")
    return notes


def _injection_notes(what_if: tuple[WhatIf, ...], locks: tuple[LockReport, ...]) -> list[str]:
    if not what_if:
        return []
    labels = [lock.label for lock in locks]
    unknown = [
        f"there is no lock {each.lock!r} to inject a {each.kind} into; there are "
        + (", ".join(map(repr, get_close_matches(each.lock, labels, 3) or labels[:5])) or "none")
        for each in what_if
        if each.verdict == "unknown lock"
    ]
    return [
        *unknown,
        "waits and holds include the time that was injected into locks, half of the run",
        "a loss is of the time that was injected, and of the program as it ran here: a lock that "
        "is held longer, or made faster, may meet another limit",
    ]


def _with_share(lock: LockReport, total: int) -> LockReport:
    fields = {name: getattr(lock, name) for name in lock.__dataclass_fields__}
    return LockReport(**{**fields, "share": lock.waiting_ns / total if total else 0.0})


def _locks(buffers: list[Buffer], depth: int) -> list[LockReport]:
    infos: dict[object, LockInfo] = {}
    places: dict[object, dict[tuple[Frame, ...], Figures]] = {}
    holders: dict[object, dict[tuple[Frame, ...], Blame]] = {}
    for buffer in buffers:
        for (lock, _), figures in buffer.figures.copy().items():
            infos.setdefault(lock, figures.info)
            # Two instructions on one line are one place to a person.
            stack = frames(figures.site, depth)
            merged = places.setdefault(lock, {})
            merged.setdefault(stack, Figures(figures.info, figures.site)).absorb(figures)
        for (lock, _), blame in buffer.blames.copy().items():
            infos.setdefault(lock, blame.info)
            stack = frames(blame.site, depth)
            blamed = holders.setdefault(lock, {})
            blamed.setdefault(stack, Blame(blame.info, blame.site)).absorb(blame)
    return [_lock(info, places.get(key, {}), holders.get(key, {})) for key, info in infos.items()]


def _lock(
    info: LockInfo,
    places: dict[tuple[Frame, ...], Figures],
    holders: dict[tuple[Frame, ...], Blame],
) -> LockReport:
    whole = Figures(info, ())
    for figures in places.values():
        whole.absorb(figures)
    found = [Place(stack=stack, **_use(figures)) for stack, figures in places.items()]
    found.sort(key=lambda place: (-place.waiting_ns, -place.acquisitions))
    blamed = [
        Holder(
            stack=stack,
            waited_ns=blame.waited_ns,
            waiters=blame.waiters,
            releases=blame.releases,
        )
        for stack, blame in holders.items()
    ]
    blamed.sort(key=lambda holder: -holder.waited_ns)
    charged = sum(holder.waited_ns for holder in blamed)
    use = _use(whole)
    lost = whole.wait_ns + whole.short_waits_ns + whole.gave_up_ns
    return LockReport(
        label=info.label,
        kind=info.kind,
        made_at=info.site,
        share=0.0,
        places=tuple(found),
        holders=tuple(blamed),
        handover_ns=max(0, lost - charged),
        **use,
    )


def _use(figures: Figures) -> dict[str, Any]:
    return {
        "acquisitions": figures.acquisitions,
        "contentions": figures.contentions,
        "short_waits": figures.short_waits,
        "short_waits_ns": figures.short_waits_ns,
        "gave_up": figures.gave_up,
        "gave_up_ns": figures.gave_up_ns,
        "wait": _times(figures.contentions, figures.wait_ns, figures.wait_max, figures.waits),
        "hold": _times(figures.holds_timed, figures.hold_ns, figures.hold_max, figures.holds),
    }


def _times(count: int, total_ns: int, max_ns: int, buckets: Histogram) -> Times:
    return Times(
        count=count,
        total_ns=total_ns,
        mean_ns=total_ns // count if count else 0,
        p50_ns=histogram.quantile(buckets, 0.50, max_ns),
        p99_ns=histogram.quantile(buckets, 0.99, max_ns),
        max_ns=max_ns,
        histogram=dict(sorted(buckets.items())),
    )


def _idle(buffers: list[Buffer]) -> tuple[IdleReport, ...]:
    merged: dict[object, Idle] = {}
    for buffer in buffers:
        for key, idle in buffer.idle.copy().items():
            merged.setdefault(key, Idle(idle.info, idle.mode)).absorb(idle)
    found = [
        IdleReport(
            label=idle.info.label,
            mode=idle.mode,
            count=idle.count,
            timeouts=idle.refused,
            total_ns=idle.total_ns,
            max_ns=idle.max_ns,
        )
        for idle in merged.values()
    ]
    return tuple(sorted(found, key=lambda idle: -idle.total_ns))


def _pending(now_ns: int) -> tuple[Pending, ...]:
    return tuple(
        Pending(
            label=state.info.label,
            thread=waiter.thread.name,
            waited_ns=max(0, now_ns - waiter.since_ns),
            owners=tuple(str(owner_named(owner)) for owner in state.owners),
            stack=frames(waiter.site),
        )
        for state in _hooks.states()
        for waiter in state.waiters
        if waiter.mode in (_records.EXCLUSIVE, _records.READ, _records.WRITE)
    )


def _threads(
    buffers: list[Buffer],
) -> tuple[tuple[ThreadReport, ...], dict[tuple[int, int], int]]:
    # A thread that only ever waited for others that still hold has no buffer, but has a name.
    index: dict[tuple[int, str], int] = {}
    by_ident: dict[int, int] = {}
    order = sorted(buffers, key=lambda buffer: buffer.since_ns)
    for buffer in order:
        by_ident[buffer.ident] = index[buffer.ident, buffer.name] = len(index)
    for buffer in order:
        for who in buffer.waited_for.copy():
            index.setdefault(who, len(index))
    threads = [_thread(buffer, by_ident) for buffer in order]
    threads += [
        ThreadReport(name=name, ident=ident, waiting_ns=0, stretches=(), lost=0)
        for ident, name in list(index)[len(threads) :]
    ]
    blocked: dict[tuple[int, int], int] = {}
    for buffer in order:
        holder = index[buffer.ident, buffer.name]
        for who, waited in buffer.waited_for.copy().items():
            pair = (holder, index[who])
            blocked[pair] = blocked.get(pair, 0) + waited
    return tuple(threads), blocked


def _thread(buffer: Buffer, by_ident: dict[int, int]) -> ThreadReport:
    events = list(_records.waiting(buffer.events))
    lost = buffer.told - len(events)
    events.sort(key=lambda event: (event.start_ns, -event.end_ns))
    return ThreadReport(
        name=buffer.name,
        ident=buffer.ident,
        waiting_ns=sum(
            figures.wait_ns + figures.short_waits_ns + figures.gave_up_ns
            for figures in buffer.figures.copy().values()
        ),
        stretches=tuple(
            Stretch(
                kind=event.kind,
                start_ns=event.start_ns,
                end_ns=event.end_ns,
                label=event.info.label,
                detail=event.detail,
                after=by_ident.get(event.after[0], -1),
                after_ns=event.after[1],
            )
            for event in events
        ),
        lost=max(0, lost),
    )
