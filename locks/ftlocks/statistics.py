"""What primitives report about themselves: frozen figures, and the tally they are kept in.

Times are integer nanoseconds of a monotonic clock. Must never import a primitive.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Owner(NamedTuple):
    """A thread that holds something. `name` is "" when the thread is gone or unknown."""

    ident: int
    name: str

    def __str__(self) -> str:
        return f"{self.name or 'thread'} ({self.ident})"


@dataclass(frozen=True, slots=True, kw_only=True)
class UseStatistics:
    """How one way of taking a primitive was used.

    A contention is an acquisition that had to wait, or that gave up waiting; the wait is theirs.
    Reentrant acquisitions and the waiting inside a condition count as nothing. `hold_total_ns` is
    the time of the `holds_timed` holds that were timed: all, or a sample, or none where nothing
    observes the primitive (`ftlocks.observe`).
    """

    acquisitions: int = 0
    contentions: int = 0
    wait_total_ns: int = 0
    wait_max_ns: int = 0
    holds_timed: int = 0
    hold_total_ns: int = 0
    hold_max_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStatistics(UseStatistics):
    """One lock's figures. `observed` says whether all but `locked` and `waiting` are being kept.

    `owner` is None where it is not known: a lock that nobody observes keeps no owner (`Lock`) or
    tells it only by its C part (`RLock`).
    """

    name: str
    locked: bool
    owner: Owner | None
    waiting: int
    observed: bool


class Tally:
    """The counts behind `UseStatistics`. Not synchronised: changed by whoever holds the lock.

    Waits given up are kept apart, because who gives up does not hold the lock.
    """

    __slots__ = (
        "acquisitions",
        "contentions",
        "given_up",
        "given_up_max_ns",
        "given_up_total_ns",
        "hold_max_ns",
        "hold_total_ns",
        "holds_timed",
        "wait_max_ns",
        "wait_total_ns",
    )

    def __init__(self) -> None:
        self.acquisitions = 0
        self.contentions = 0
        self.wait_total_ns = 0
        self.wait_max_ns = 0
        self.holds_timed = 0
        self.hold_total_ns = 0
        self.hold_max_ns = 0
        self.given_up = 0
        self.given_up_total_ns = 0
        self.given_up_max_ns = 0

    def take_over(self, other: "Tally") -> None:
        """Go on from where another one is."""
        for name in Tally.__slots__:
            setattr(self, name, getattr(other, name))
        self.acquisitions = other.figures()["acquisitions"]

    def contended(self, waited_ns: int) -> None:
        """Count a contention."""
        self.contentions += 1
        self.wait_total_ns += waited_ns
        if waited_ns > self.wait_max_ns:
            self.wait_max_ns = waited_ns

    def gave_up(self, waited_ns: int) -> None:
        """Count a contention that led to nothing."""
        self.given_up += 1
        self.given_up_total_ns += waited_ns
        if waited_ns > self.given_up_max_ns:
            self.given_up_max_ns = waited_ns

    def held(self, held_ns: int) -> None:
        """Count a timed hold."""
        self.holds_timed += 1
        self.hold_total_ns += held_ns
        if held_ns > self.hold_max_ns:
            self.hold_max_ns = held_ns

    def figures(self) -> dict[str, int]:
        """The fields of a `UseStatistics`."""
        return {
            "acquisitions": self.acquisitions,
            "contentions": self.contentions + self.given_up,
            "wait_total_ns": self.wait_total_ns + self.given_up_total_ns,
            "wait_max_ns": max(self.wait_max_ns, self.given_up_max_ns),
            "holds_timed": self.holds_timed,
            "hold_total_ns": self.hold_total_ns,
            "hold_max_ns": self.hold_max_ns,
        }


def owner_of(thread: threading.Thread | None) -> Owner | None:
    """Name and ident of a thread that holds something."""
    return None if thread is None else Owner(thread.ident or 0, thread.name)


def owner_named(ident: int) -> Owner | None:
    """The same from an ident alone; 0 is nobody."""
    if not ident:
        return None
    # `threading.enumerate()` takes a lock that a caller of ours may hold; one lookup does not.
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return Owner(ident, "" if thread is None else thread.name)


def owner_is_known(ident: int) -> bool:
    """Whether a thread that `threading` started has this ident."""
    return ident in threading._active  # type: ignore[attr-defined]


def names(threads: Iterable[threading.Thread]) -> str:
    """Threads as a message or a repr lists them."""
    return ", ".join(thread.name for thread in threads)
