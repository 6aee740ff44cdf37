"""Vector clocks, and what each thread knows of all others.

A clock that more than one place refers to is never changed: an access, a lock and a thread share
one, and whoever learns something makes a new one. Must never lock anything.
"""

from typing import Any

from ftstress.events import Place
from ftstress.frames import Stack

Clock = dict[int, int]  # number of a thread to its time


class Access:
    """One access as it is remembered: FastTrack's epoch, and what a report needs."""

    __slots__ = ("clock", "held", "kind", "site", "stack", "tid", "vector")

    def __init__(
        self,
        tid: int,
        clock: int,
        kind: int,
        site: Place,
        stack: Stack,
        held: tuple[Any, ...],
        vector: Clock,
    ) -> None:
        self.tid = tid
        self.clock = clock
        self.kind = kind
        self.site = site
        self.stack = stack
        self.held = held
        self.vector = vector


def join(one: Clock | None, other: Clock | None) -> Clock:
    """The later of each thread's times; neither is changed, and either may be the result."""
    if not one or not other:
        return one or other or {}
    if one is other:
        return one
    joined = one
    for tid, clock in other.items():
        if tid not in joined or joined[tid] < clock:
            if joined is one:
                joined = one.copy()
            joined[tid] = clock
    return joined


def unordered(access: Access, vector: Clock) -> bool:
    """Whether a thread with this vector clock has not heard of the access."""
    return access.tid not in vector or vector[access.tid] < access.clock


class Thread:
    """What one thread knows of all others."""

    __slots__ = (
        "accesses",
        "busy",
        "checks",
        "clock",
        "hard",
        "heard",
        "held",
        "holds",
        "name",
        "origin",
        "parent",
        "reads",
        "serial",
        "tid",
        "vector",
    )

    def __init__(self, tid: int, name: str, vector: Clock, origin: Stack, parent: str) -> None:
        self.tid = tid
        self.name = name
        self.clock = 1
        self.vector = {**vector, tid: 1}
        self.origin = origin
        self.parent = parent
        self.held: list[Any] = []
        # What it knows by other ways than the program's own locks, and its time by these.
        self.hard: Clock = {tid: 1}
        self.holds: dict[Any, int] = {}  # the number of the present hold of each lock
        self.serial = 0
        self.reads: dict[Any, Any] = {}  # locked reads that a write may rely on, by variable
        self.busy = False
        self.accesses = 0
        # The last synchronisation by which it heard of another thread: what, sent and received.
        self.heard: dict[int, tuple[str, Stack, Stack]] = {}
        # Unlocked reads that decide something, and how many locks were held.
        self.checks: dict[Any, tuple[Place, int]] = {}

    def tick(self, hard: bool = False) -> None:
        """Time goes on; `hard`: also by the clock that the program's own locks do not move."""
        self.clock += 1
        self.vector = {**self.vector, self.tid: self.clock}
        if hard:
            self.hard = {**self.hard, self.tid: self.hard[self.tid] + 1}
