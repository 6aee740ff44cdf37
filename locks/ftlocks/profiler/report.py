"""What a profile found, as plain frozen values, and how it is put together from the buffers.

All times are integer nanoseconds; instants are of `time.perf_counter_ns`. Every number that a
report format shows comes from here, so that no two formats disagree. Must never look at a lock.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from ftlocks._sites import Frame, call_site
from ftlocks.profiler.histogram import ERROR, Histogram


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
class Profile:
    """A whole profile. Locks come in the order of the time lost at them.

    Args:
        blocked: for each pair of thread indexes (holder, waiter), how long the latter waited for
            the former.
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
        for lock, told in zip(self.locks, found["locks"], strict=True):
            told["waiting_ns"] = lock.waiting_ns
        return found


def place_of(stack: tuple[Frame, ...]) -> str:
    """A stack in a few words: the line a person would name."""
    frame = call_site(stack)
    return "?" if frame is None else str(frame)
