"""What a profile found, as plain frozen values, and how it is put together from the buffers.

All times are integer nanoseconds; instants are of `time.perf_counter_ns`. Every number that a
report format shows comes from here, so that no two formats disagree. Must never look at a lock.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final

from ftlocks._sites import Frame, call_site
from ftlocks.profiler.histogram import ERROR, Histogram

# The fewest pairs of windows whose extremes are an interval of 95 %: 1 - 2 / 2**6 is 97 %.
FEWEST_PAIRS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Waits or holds: how many, how long. Quantiles are within `ERROR` (a share of the value)."""

    count: int = 0
    total_ns: int = 0
    mean_ns: int = 0
    p50_ns: int = 0
    p99_ns: int = 0
    max_ns: int = 0
    histogram: Histogram = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a lock, or one place that takes it, was used.

    Args:
        acquisitions: all; the uncontended ones among them are estimated from a sample.
        contentions: those that had to wait, at least as long as the threshold.
        short_waits: those that had to wait, but not so long; in no other figure than
            `acquisitions` and `short_waits_ns`.
        gave_up: attempts whose time ran out, or that an exception ended; `gave_up_ns` in all.
    """

    acquisitions: int
    contentions: int
    short_waits: int
    short_waits_ns: int
    gave_up: int
    gave_up_ns: int
    wait: Times
    hold: Times

    @property
    def waiting_ns(self) -> int:
        """All time lost at it, also what led to nothing."""
        return self.wait.total_ns + self.short_waits_ns + self.gave_up_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Use):
    """A place that takes a lock; `stack` is innermost first."""

    stack: tuple[Frame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A place that let a lock go while others waited for it.

    Args:
        waited_ns: what the others' waits owe to these holds: summed over waiters, so that two who
            wait for one second make two.
        waiters: how many times somebody had waited; `releases`, for how many holds.
    """

    stack: tuple[Frame, ...]
    waited_ns: int
    waiters: int
    releases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReport(Use):
    """All locks of one kind with one name, or made in one place.

    `handover_ns` is the part of the waiting during which nobody held the lock: it was free, and the
    thread that waited was not running yet, or the holder was not seen.
    """

    label: str
    kind: str
    made_at: tuple[str, int]
    share: float  # of all waiting in the profile, 0 to 1
    places: tuple[Place, ...]
    holders: tuple[Holder, ...]
    handover_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleReport:
    """Waits for something to happen. No contention, and in no other figure."""

    label: str
    mode: str
    count: int
    timeouts: int
    total_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Somebody who still waited when the report was made; in no other figure."""

    label: str
    thread: str
    waited_ns: int
    owners: tuple[str, ...]
    stack: tuple[Frame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of a thread's time: "wait", "hold", "idle" or "gave up".

    `after` is the index of the thread that was waited for, -1 where not known, and `after_ns` when
    it let go.
    """

    kind: str
    start_ns: int
    end_ns: int
    label: str
    detail: str
    after: int
    after_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadReport:
    """One thread's time. `lost` of its stretches did not fit and were dropped, oldest first."""

    name: str
    ident: int
    waiting_ns: int
    stretches: tuple[Stretch, ...]
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What came of slowing a lock down: an experiment inside the run.

    `loss`, its interval, and the rates are of pairs of neighbouring windows of time, one with the
    extra time and one without.

    Args:
        lock: as it was asked for; `matched` are the locks that this was found to mean.
        kind: "delay" (before it is taken) or "hold" (while it is held); `asked_ns` how long.
        unit: what was counted, in the plural.
        acquisitions: of these locks, in the whole run.
        pairs: of windows; `dropped` are those in which too little was done to compare.
        injected_ns: what the extra time really was, on average of all times.
        per_unit: how often it was injected for each unit done.
        rate: done in a second without the extra time, and with it (`rate_injected`); medians.
        loss: the share of the rate that was lost, the median of the pairs.
        loss_low, loss_high: between these it lies with 95 %.
    """

    lock: str
    kind: str
    asked_ns: int
    matched: tuple[str, ...]
    unit: str
    acquisitions: int
    pairs: int
    dropped: int
    window_ns: int
    injected_ns: int
    per_unit: float
    rate: float
    rate_injected: float
    loss: float
    loss_low: float
    loss_high: float

    @property
    def verdict(self) -> str:
        """ "lost" or "gained"; or why nothing can be said: "unknown lock", "never taken", "too few
        windows", "cannot tell"."""
        if not self.matched:
            return "unknown lock"
        if not self.acquisitions:
            return "never taken"
        if self.pairs < FEWEST_PAIRS or not self.injected_ns:
            return "too few windows"
        if self.loss_low <= 0 <= self.loss_high:
            return "cannot tell"
        return "lost" if self.loss > 0 else "gained"

    @property
    def loss_per_us(self) -> float:
        """The share of the rate lost for each microsecond injected; below 0, gained."""
        return self.loss / (self.injected_ns / 1000) if self.injected_ns else 0.0

    @property
    def arrived(self) -> float:
        """How much of the injected time was added to the time that passes from unit to unit.

        1 where all threads wait for this lock, less than 1 / n where n run beside each other.
        """
        spent = self.injected_ns * self.per_unit
        if not spent or not self.rate or not self.rate_injected:
            return 0.0
        return (1e9 / self.rate_injected - 1e9 / self.rate) / spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole profile. Locks come in the order of the time lost at them.

    Args:
        blocked: for each pair of thread indexes (holder, waiter), how long the latter waited for
            the former.
        what_if: what came of slowing locks down, where that was asked for.
        notes: what a reader should know before believing the figures.
    """

    title: str
    started_ns: int
    duration_ns: int
    sample: int
    threshold_ns: int
    depth: int
    interpreter: str
    locks: tuple[LockReport, ...]
    idle: tuple[IdleReport, ...]
    pending: tuple[Pending, ...]
    threads: tuple[ThreadReport, ...]
    blocked: dict[tuple[int, int], int]
    what_if: tuple[WhatIf, ...]
    notes: tuple[str, ...]

    @property
    def waiting_ns(self) -> int:
        """Time lost at all locks by all threads."""
        return sum(lock.waiting_ns for lock in self.locks)

    def table(self) -> str:
        """The profile as text for a terminal."""
        from ftlocks.profiler.table import render

        return render(self)

    def write(self, path: str | PurePath, format: str | None = None) -> None:
        """Write it to a file, in the format that the name's ending says.

        `.html` (one page that needs nothing else), `.json`, `.txt`, `.collapsed`,
        `.speedscope.json`, `.pb.gz` (pprof), `.trace.json` (Chrome, Perfetto).

        Args:
            format: one of "html", "json", "table", "collapsed", "speedscope", "pprof", "trace",
                whatever the name.

        Raises:
            ValueError: neither the name nor `format` says a format.
        """
        from ftlocks.profiler.formats import write

        write(self, Path(path), format)

    def as_dict(self) -> dict[str, Any]:
        """What the JSON format holds."""
        found = asdict(self)
        found["blocked"] = [
            {"holder": holder, "waiter": waiter, "waited_ns": waited}
            for (holder, waiter), waited in sorted(self.blocked.items())
        ]
        found["waiting_ns"] = self.waiting_ns
        found["quantile_error"] = ERROR
        for each, told in zip(self.what_if, found["what_if"], strict=True):
            told["verdict"] = each.verdict
            told["loss_per_us"] = each.loss_per_us
            told["arrived"] = each.arrived
        for lock, told in zip(self.locks, found["locks"], strict=True):
            told["waiting_ns"] = lock.waiting_ns
        return found


def place_of(stack: tuple[Frame, ...]) -> str:
    """A stack in a few words: the line a person would name."""
    frame = call_site(stack)
    return "?" if frame is None else str(frame)
