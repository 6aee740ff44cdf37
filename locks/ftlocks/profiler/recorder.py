"""Listens to the locks and keeps what they tell, in a buffer for each thread.

A record is made after the lock is free again, by the thread that released it, into that thread's
own buffer, which nobody else writes: recording takes no lock and makes nobody wait. Whoever reads
copies the buffers while their owners run on, so a picture taken in the middle may count an
acquisition whose hold it does not have yet. Must never use a lock that is observed.
"""

import threading
from _thread import allocate_lock, get_ident
from collections import deque
from time import perf_counter_ns as clock
from typing import Any, Final, NamedTuple

from ftlocks._hooks import Observer
from ftlocks._records import Hold, LockInfo
from ftlocks._sites import Site, capture, key_of
from ftlocks.profiler import histogram
from ftlocks.profiler.histogram import Histogram

# Threads that have ended keep a buffer each up to this number of buffers in all; then theirs are
# put together in one. A guess: more tracks than this nobody reads.
MAX_BUFFERS: Final = 256

type ClassKey = tuple[str, str, int, int]
type SiteKey = tuple[ClassKey, tuple[int, ...]]


class Figures:
    """What happened to one lock class at one place."""

    __slots__ = (
        "acquisitions",
        "contentions",
        "gave_up",
        "gave_up_ns",
        "hold_max",
        "hold_ns",
        "holds",
        "holds_timed",
        "info",
        "short_waits",
        "short_waits_ns",
        "site",
        "wait_max",
        "wait_ns",
        "waits",
    )

    def __init__(self, info: LockInfo, site: Site) -> None:
        self.info = info
        self.site = site
        self.acquisitions = 0
        self.contentions = 0
        self.wait_ns = 0
        self.wait_max = 0
        self.waits: Histogram = {}
        self.short_waits = 0  # below the threshold, and in none of the figures above
        self.short_waits_ns = 0
        self.holds_timed = 0
        self.hold_ns = 0
        self.hold_max = 0
        self.holds: Histogram = {}
        self.gave_up = 0
        self.gave_up_ns = 0

    def absorb(self, other: "Figures") -> None:
        """Add another's."""
        for name in (
            "acquisitions",
            "contentions",
            "wait_ns",
            "short_waits",
            "short_waits_ns",
            "holds_timed",
            "hold_ns",
            "gave_up",
            "gave_up_ns",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.wait_max = max(self.wait_max, other.wait_max)
        self.hold_max = max(self.hold_max, other.hold_max)
        histogram.merge(self.waits, other.waits.copy())
        histogram.merge(self.holds, other.holds.copy())


class Blame:
    """How long others waited for holds of one lock class that were released at one place."""

    __slots__ = ("info", "releases", "site", "waited_ns", "waiters")

    def __init__(self, info: LockInfo, site: Site) -> None:
        self.info = info
        self.site = site
        self.releases = 0
        self.waiters = 0
        self.waited_ns = 0

    def absorb(self, other: "Blame") -> None:
        """Add another's."""
        self.releases += other.releases
        self.waiters += other.waiters
        self.waited_ns += other.waited_ns


class Idle:
    """Waits that are no contention: for an event, a permit, a notification, an item."""

    __slots__ = ("count", "info", "max_ns", "mode", "refused", "total_ns")

    def __init__(self, info: LockInfo, mode: str) -> None:
        self.info = info
        self.mode = mode
        self.count = 0
        self.refused = 0  # ended by time running out
        self.total_ns = 0
        self.max_ns = 0

    def absorb(self, other: "Idle") -> None:
        """Add another's."""
        self.count += other.count
        self.refused += other.refused
        self.total_ns += other.total_ns
        self.max_ns = max(self.max_ns, other.max_ns)


class Event(NamedTuple):
    """A stretch of one thread's time.

    Args:
        kind: "wait" (for a lock), "hold", "idle" (for something else) or "gave up".
        after: ident of the thread waited for and when it let go; (0, 0) when not known.
    """

    kind: str
    start_ns: int
    end_ns: int
    info: LockInfo
    detail: str
    after: tuple[int, int]


class Buffer:
    """One thread's records."""

    def __init__(self, ident: int, thread: threading.Thread | None, events: int) -> None:
        self.ident = ident
        self.thread = thread
        self.since_ns = clock()
        self.figures: dict[SiteKey, Figures] = {}
        self.blames: dict[SiteKey, Blame] = {}
        self.idle: dict[tuple[ClassKey, str], Idle] = {}
        # Who waited for this thread: ns, by ident and name of the waiting thread.
        self.waited_for: dict[tuple[int, str], int] = {}
        self.events: deque[Event] = deque(maxlen=events)
        self.told = 0  # events so far, those that no longer fit included

    @property
    def name(self) -> str:
        """The thread's name."""
        return f"thread {self.ident}" if self.thread is None else self.thread.name

    def note(self, event: Event) -> None:
        """Add to the timeline; the oldest goes when it is full."""
        self.told += 1
        self.events.append(event)

    def absorb(self, other: "Buffer") -> None:
        """Add the records of a thread that has ended."""
        _absorb(self.figures, other.figures)
        _absorb(self.blames, other.blames)
        _absorb(self.idle, other.idle)
        for who, waited in other.waited_for.items():
            self.waited_for[who] = self.waited_for.get(who, 0) + waited
        self.told += other.told


def _absorb[K, T: (Figures, Blame, Idle)](into: dict[K, T], other: dict[K, T]) -> None:
    for key, found in other.items():
        if key in into:
            into[key].absorb(found)
        else:
            into[key] = found


class Recorder(Observer):
    """The observer behind a profile.

    Args:
        threshold_ns: waits shorter than this are counted apart and noted nowhere else.
        depth: frames to note of a call stack.
        events: how many stretches of time to keep for each thread's timeline.
    """

    def __init__(self, *, threshold_ns: int, depth: int, events: int) -> None:
        self.threshold_ns = threshold_ns
        self.site_depth = depth
        self.events = events
        self._local = threading.local()
        self._buffers: list[Buffer] = []
        self._ended: Buffer | None = None
        self._guard = allocate_lock()  # of the two above; a thread's first record takes it

    def buffers(self) -> list[Buffer]:
        """All buffers there are."""
        with self._guard:
            return [*self._buffers, *([] if self._ended is None else [self._ended])]

    def released(self, hold: Hold) -> None:
        buffer = self._buffer()
        here = capture(self.site_depth)
        site = _acquired_at(hold.site, here)
        figures = _figures(buffer, hold.lock, site)
        figures.acquisitions += hold.weight
        waited = hold.waited_ns
        if hold.contended:
            if waited < self.threshold_ns:
                figures.short_waits += 1
                figures.short_waits_ns += waited
            else:
                figures.contentions += 1
                figures.wait_ns += waited
                if waited > figures.wait_max:
                    figures.wait_max = waited
                histogram.add(figures.waits, waited)
                start = hold.acquired_ns
                buffer.note(Event("wait", start - waited, start, hold.lock, "", hold.after))
        if hold.weight:
            figures.holds_timed += hold.weight
            figures.hold_ns += hold.held_ns * hold.weight
            if hold.held_ns > figures.hold_max:
                figures.hold_max = hold.held_ns
            histogram.add(figures.holds, hold.held_ns, hold.weight)
        end = hold.acquired_ns + hold.held_ns
        buffer.note(Event("hold", hold.acquired_ns, end, hold.lock, hold.mode, (0, 0)))
        if hold.blocked:
            self._charge(buffer, hold, here)

    def _charge(self, buffer: Buffer, hold: Hold, here: Site) -> None:
        """Put the waits of others into the account of the stack that let them go on."""
        key = (hold.lock.class_key, key_of(here))
        if key in buffer.blames:
            blame = buffer.blames[key]
        else:
            blame = buffer.blames[key] = Blame(hold.lock, here)
        blame.releases += 1
        waited_for = buffer.waited_for
        for each in hold.blocked:
            blame.waiters += 1
            blame.waited_ns += each.waited_ns
            who = (each.thread.ident or 0, each.thread.name)
            if who in waited_for:
                waited_for[who] += each.waited_ns
            else:
                waited_for[who] = each.waited_ns

    def gave_up(self, lock: LockInfo, mode: str, waited_ns: int) -> None:
        now = clock()
        buffer = self._buffer()
        figures = _figures(buffer, lock, capture(self.site_depth))
        figures.gave_up += 1
        figures.gave_up_ns += waited_ns
        buffer.note(Event("gave up", now - waited_ns, now, lock, mode, (0, 0)))

    def waited(self, lock: LockInfo, mode: str, waited_ns: int, granted: bool) -> None:
        now = clock()
        buffer = self._buffer()
        key = (lock.class_key, mode)
        if key in buffer.idle:
            idle = buffer.idle[key]
        else:
            idle = buffer.idle[key] = Idle(lock, mode)
        idle.count += 1
        idle.refused += not granted
        idle.total_ns += waited_ns
        if waited_ns > idle.max_ns:
            idle.max_ns = waited_ns
        buffer.note(Event("idle", now - waited_ns, now, lock, mode, (0, 0)))

    def _buffer(self) -> Buffer:
        local = self._local
        try:
            buffer: Buffer = local.buffer
        except AttributeError:
            buffer = local.buffer = self._new_buffer()
        if buffer.thread is None:
            # A thread that is just starting is not in the table yet.
            buffer.thread = _thread_named(buffer.ident)
        return buffer

    def _new_buffer(self) -> Buffer:
        ident = get_ident()
        buffer = Buffer(ident, _thread_named(ident), self.events)
        with self._guard:
            if len(self._buffers) >= MAX_BUFFERS:
                self._put_together()
            self._buffers.append(buffer)
        return buffer

    def _put_together(self) -> None:
        ended = [each for each in self._buffers if each.thread and not each.thread.is_alive()]
        if ended and self._ended is None:
            self._ended = Buffer(0, threading.Thread(name="threads that ended"), 0)
        for each in ended:
            assert self._ended is not None
            self._ended.absorb(each)
            self._buffers.remove(each)


def _thread_named(ident: int) -> threading.Thread | None:
    # `threading.current_thread()` would put a stand-in into the table for one that is not there.
    active: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
    try:
        return active[ident]
    except KeyError:
        return None


def _figures(buffer: Buffer, lock: LockInfo, site: Site) -> Figures:
    key = (lock.class_key, key_of(site))
    if key in buffer.figures:
        return buffer.figures[key]
    found = buffer.figures[key] = Figures(lock, site)
    return found


def _acquired_at(noted: Site | None, released: Site) -> Site:
    """The stack of an acquisition of which perhaps only the innermost frame was noted.

    The rest is taken from the stack of the release, where that is in the same function.
    """
    if noted is None:
        return released
    if len(noted) > 2:
        return noted
    code: Any = noted[0]
    for place in range(0, len(released), 2):
        if released[place] is code:
            return (*noted, *released[place + 2 :])
    return released
