"""What is said about primitives: which one, who waits for it, who holds it, what a hold was like.

Values that the primitives make and observers, profiles and watchdogs read. Must never import a
primitive, nor know who is listening.
"""

import itertools
import threading
from _thread import allocate_lock
from collections import deque
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from ftlocks._sites import Site, line_of, short

_ids: Final = itertools.count(1)

EXCLUSIVE: Final = "exclusive"
READ: Final = "read"
WRITE: Final = "write"

# How often a thread that is blocked in an observed `Lock` or `RLock` looks whether it was
# interrupted or the owner has died. A guess: rare enough to cost nothing, soon enough for a person.
POLL_SECONDS: Final = 0.1


class LockInfo:
    """What identifies a primitive for as long as anybody remembers it; outlives it.

    `id` is never used again, unlike ``id()``. `kind` is the class's name.
    """

    __slots__ = (
        "_code",
        "_instruction",
        "id",
        "inside",
        "kind",
        "name",
        "order_class",
        "order_key",
    )

    def __init__(self, kind: str, name: str, frame: FrameType | None) -> None:
        self.id = next(_ids)
        self.kind = kind
        self.name = name
        # The lock-order checker's: which class this one is of (0: not asked yet), and its place
        # among its like, where that was declared.
        self.order_class = 0
        self.order_key: Any = None
        # Where one object has several locks inside: the way from `site` to this one.
        self.inside: tuple[tuple[CodeType, int], ...] = ()
        # The line is worked out when somebody asks: most locks are never asked about.
        self._code: CodeType | None = None if frame is None else frame.f_code
        self._instruction = -1 if frame is None else frame.f_lasti

    @property
    def site(self) -> tuple[str, int]:
        """File and line of the code, outside this package, that made the primitive."""
        if self._code is None:
            return ("", 0)
        return (self._code.co_filename, line_of(self._code, self._instruction))

    @property
    def class_key(self) -> tuple[str, str, int, int]:
        """The same for all primitives of one kind that have one name or were made in one place."""
        if self.name:
            return (self.kind, self.name, 0, 0)
        return (self.kind, "", id(self._code), self._instruction)

    @property
    def label(self) -> str:
        """The name, or kind and place of creation where it has none."""
        if self.name:
            return self.name
        path, line = self.site
        return f"{self.kind} made at {short(path)}:{line}"

    def __repr__(self) -> str:
        return f"<LockInfo {self.id} {self.label}>"


class Waiter:
    """One blocked thread. `gate` is what it sleeps on; None where it polls instead.

    `site` is where in the program it waits, while an observer asks for sites. One that is `timed`
    gives up by itself; one that is `firm` cannot be interrupted.
    """

    __slots__ = ("error", "firm", "gate", "granted", "mode", "since_ns", "site", "thread", "timed")

    def __init__(
        self, mode: str, since_ns: int, *, gated: bool, timeout: float | None = None
    ) -> None:
        self.thread = threading.current_thread()
        self.mode = mode
        self.since_ns = since_ns
        self.timed = timeout is not None and timeout >= 0
        self.firm = False
        self.site: Site | None = None
        self.granted = False
        self.error: BaseException | None = None
        self.gate = None
        if gated:
            self.gate = allocate_lock()
            self.gate.acquire()

    def wake(self) -> None:
        """Open the gate; opening it twice is no error."""
        if self.gate is not None:
            try:
                self.gate.release()
            except RuntimeError:
                pass

    def interrupt(self, error: BaseException) -> None:
        """Make the blocked thread give up and raise `error`, unless it gets through first."""
        self.error = error
        self.wake()


def waiting[T](queue: deque[T]) -> tuple[T, ...]:
    """What is in a queue that other threads change meanwhile: no deque is copied in one step."""
    while True:
        try:
            return tuple(queue)
        except RuntimeError:  # it was changed in the middle
            continue


class LockState(NamedTuple):
    """Who holds a primitive and who waits for it, at one moment.

    Args:
        key: which part of it, for a primitive that has parts (`KeyedLock`); else None.
        owners: idents of the holding threads; empty when free, or when the holder is not known
            (a `Lock` that nobody observes).
        waiters: whom the owners block, in the order in which they came.
        holds: for each of the owners what tells its hold from every other of this primitive; empty
            where there is nothing.
        mode: how the owners hold it.
        ender: ident of the thread that last ended a wait for it, where nobody owns it
            (`Condition`); 0 if nobody has.
        reentrant: an owner that is still among the waiters has just got it.
        expected: idents of the threads that end such waits, as far as can be told from who has
            done it so far; None where it cannot. Nobody owns such a primitive.
    """

    info: LockInfo
    key: object
    owners: tuple[int, ...]
    waiters: tuple[Waiter, ...]
    holds: tuple[int, ...] = ()
    mode: str = EXCLUSIVE
    ender: int = 0
    reentrant: bool = False
    expected: frozenset[int] | None = None


class Blocked(NamedTuple):
    """A thread that waited for a hold to end.

    Args:
        thread: the one that waits.
        waited_ns: how much of its wait was for this hold.
        site: where it waits; None where no observer asks for sites.
    """

    thread: threading.Thread
    waited_ns: int
    site: Site | None


def blocked_by(since_ns: int, until_ns: int, waiters: Iterable[Waiter]) -> tuple[Blocked, ...]:
    """What waits owe to a hold. `since_ns` must not lie before the end of the hold before it."""
    return tuple(
        [
            Blocked(waiter.thread, until_ns - max(since_ns, waiter.since_ns), waiter.site)
            for waiter in waiters
            if waiter.since_ns < until_ns
            and not waiter.firm  # back from a condition: no contention
        ]
    )


class Hold(NamedTuple):
    """One outermost hold that has ended, told by the thread that released it.

    Args:
        mode: `EXCLUSIVE`, `READ` or `WRITE`.
        thread: ident of the thread that had acquired.
        acquired_ns: when it did, by `time.perf_counter_ns`.
        waited_ns: how long it was blocked before; 0 when it was not.
        held_ns: from acquisition to release. A `Condition.wait()` ends one hold and begins another.
        weight: how many holds this one stands for, itself included: the sampling rate for an
            uncontended one, 1 for a contended one. 0 for one that was not to be timed, but made
            others wait: `acquired_ns` and `held_ns` are then of the time since the first came.
        blocking: how many threads were waiting for it at its end.
        site: where it was acquired. Of an uncontended hold the innermost frame alone, which is all
            there is time for under the lock; None where no observer asks for sites.
        blocked: those threads, where observers ask for sites.
        after: the thread that had it before, where this hold had to wait for that one, and when
            that one let go; (0, 0) where that is not known.
    """

    lock: LockInfo
    mode: str
    thread: int
    acquired_ns: int
    waited_ns: int
    contended: bool
    held_ns: int
    weight: int
    blocking: int
    site: Site | None = None
    blocked: tuple[Blocked, ...] = ()
    after: tuple[int, int] = (0, 0)
