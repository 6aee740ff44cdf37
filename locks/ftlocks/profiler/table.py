"""A profile as text for a terminal, and times as a person reads them.

Must never use anything but plain characters: it also goes into log files.
"""

import shutil

from ftlocks.profiler.report import FEWEST_PAIRS, LockReport, Profile, WhatIf, place_of

# Locks, places and holders shown; the rest is in the other formats.
LOCKS = 15
PLACES = 3


def duration(ns: float) -> str:
    """A time in three digits and a unit."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            value = ns / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{ns:.0f} ns"


def number(count: int) -> str:
    """A count, shortened from a hundred thousand on."""
    for unit, size in (("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)):
        if count >= 100 * size or (unit != "k" and count >= size):
            return f"{count / size:.3g}{unit}"
    return str(count)


_HEADINGS = ("lock", "share", "waited", "acquired", "waits", "mean", "p99", "max", "held", "p99")


def render(profile: Profile, width: int = 0) -> str:
    """The table, and below it the lines that matter for the locks that matter."""
    width = width or shutil.get_terminal_size((140, 24)).columns
    lines = [_headline(profile), ""]
    shown = profile.locks[:LOCKS]
    if not shown:
        nothing = "No lock was taken that is profiled."
        return "\n".join([lines[0], nothing, *_what_if(profile), *_notes(profile)])
    rows = [_row(lock) for lock in shown]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    fixed = sum(widths[1:]) + 2 * len(widths[1:])
    widths[0] = min(widths[0], max(40, width - fixed))  # a lock must be known by its name
    lines += [_aligned(row, widths) for row in [_HEADINGS, *rows]]
    if len(profile.locks) > len(shown):
        lines.append(f"... and {len(profile.locks) - len(shown)} more")
    for lock in shown:
        if lock.waiting_ns:
            lines += ["", *_details(lock)]
    lines += _what_if(profile)
    if profile.idle:
        lines += ["", "Waits that are no contention:"]
        lines += [
            f"  {idle.label}: {number(idle.count)} x {idle.mode}, {duration(idle.total_ns)}"
            + (f", {number(idle.timeouts)} timed out" if idle.timeouts else "")
            for idle in profile.idle[:PLACES]
        ]
    if profile.pending:
        lines += ["", "Still waiting when this was written:"]
        for wait in profile.pending[:LOCKS]:
            held = f", held by {', '.join(wait.owners)}" if wait.owners else ""
            where = f" at {place_of(wait.stack)}" if wait.stack else ""
            waited = duration(wait.waited_ns)
            lines.append(f"  {wait.thread} for {wait.label}{where}: {waited} so far{held}")
    return "\n".join([*lines, *_notes(profile)])


def _what_if(profile: Profile) -> list[str]:
    """A row for each lock that was slowed down, and below it what that means."""
    if not profile.what_if:
        return []
    headings = ("what if", "pairs", "a second", "slowed", "lost", "95 %", "per us")
    rows = [
        (
            f"{each.lock} {extra(each)}",
            str(each.pairs),
            rate(each.rate) if each.pairs else "-",
            rate(each.rate_injected) if each.pairs else "-",
            *_loss(each),
        )
        for each in profile.what_if
    ]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [_aligned(row, widths) for row in (headings, *rows)]
    return [
        "",
        *lines,
        *[f"  {each.lock} {extra(each)}: {meaning(each)}" for each in profile.what_if],
    ]


def _loss(each: WhatIf) -> tuple[str, str, str]:
    if each.verdict not in ("lost", "gained", "cannot tell"):
        return "-", "-", "-"
    return (
        f"{each.loss:.1%}",
        f"{each.loss_low:.1%} to {each.loss_high:.1%}",
        "-" if each.verdict == "cannot tell" else f"{each.loss_per_us:.2%}",
    )


def extra(each: WhatIf) -> str:
    """The extra time, as it is asked for."""
    return f"{each.kind} +{duration(each.asked_ns)}"


def rate(value: float) -> str:
    """How many a second."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def meaning(each: WhatIf) -> str:
    """What came of slowing a lock down, in a sentence."""
    if each.verdict == "unknown lock":
        return "no lock of this name was made"
    if each.verdict == "never taken":
        return "the lock was never taken"
    if each.verdict == "too few windows":
        return (
            f"nothing can be said: {each.pairs} pairs of windows of {duration(each.window_ns)}, "
            f"{each.dropped} more with too little done; {FEWEST_PAIRS} are needed"
        )
    if each.verdict == "cannot tell":
        # What may be lost at most, in the same unit.
        most = each.loss_high / (each.injected_ns / 1000)
        return f"cannot be told from no loss at all; at most {most:.2%} of the {each.unit} per us"
    verb = each.verdict
    per_us = abs(each.loss_per_us)
    return (
        f"{per_us:.2%} of the {each.unit} {verb} per us, {rate(per_us * each.rate)} a second; of "
        f"each us, {each.arrived:.2f} us more passed from one to the next"
    )


def _headline(profile: Profile) -> str:
    return (
        f"{profile.title}: {duration(profile.duration_ns)}, {len(profile.threads)} threads seen, "
        f"{duration(profile.waiting_ns)} of waiting for locks ({profile.interpreter})"
    )


def _notes(profile: Profile) -> list[str]:
    return ["", *[f"note: {note}" for note in profile.notes]]


def _row(lock: LockReport) -> tuple[str, ...]:
    return (
        lock.label,
        f"{lock.share:.1%}",
        duration(lock.waiting_ns),
        number(lock.acquisitions),
        number(lock.contentions + lock.short_waits),
        duration(lock.wait.mean_ns),
        duration(lock.wait.p99_ns),
        duration(lock.wait.max_ns),
        duration(lock.hold.total_ns),
        duration(lock.hold.p99_ns),
    )


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = row
    if len(first) > widths[0]:
        first = "..." + first[3 - widths[0] :]
    cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
    return "  ".join([first.ljust(widths[0]), *cells]).rstrip()


def _details(lock: LockReport) -> list[str]:
    lines = [lock.label]
    for holder in lock.holders[:PLACES]:
        share = holder.waited_ns / lock.waiting_ns
        lines.append(
            f"  {share:5.1%} while held by {place_of(holder.stack)}: "
            f"{number(holder.releases)} holds made {number(holder.waiters)} waits, "
            f"{duration(holder.waited_ns)}"
        )
    if lock.handover_ns >= lock.waiting_ns / 100:
        share = lock.handover_ns / lock.waiting_ns
        lines.append(f"  {share:5.1%} when nobody was seen to hold it (handing over)")
    return lines + [
        f"  waited at {place_of(place.stack)}: {duration(place.waiting_ns)} in "
        f"{number(place.contentions + place.short_waits)} of "
        f"{number(place.acquisitions)} acquisitions"
        + (f", {number(place.gave_up)} gave up" if place.gave_up else "")
        for place in lock.places[:PLACES]
        if place.waiting_ns
    ]
