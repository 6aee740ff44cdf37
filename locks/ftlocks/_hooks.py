"""Who is listening to the locks, and which locks there are.

Every primitive that can be held or waited for registers here, weakly, under a name or the place
where it was made. A contention profile, a lock-order checker or a deadlock watchdog stands on two
things: an `Observer`, which is told of each hold after it has ended, and `states()`, a picture of
who holds and who waits, taken without stopping anybody.

Nothing that measures is told while the lock in question is held: what an observer does would
otherwise lengthen the very holds it measures. Only an observer that overrides `taken` is. With no
observer, and `observe()` off, `Lock` and `RLock` are their C counterparts and this module is not on
the way at all. Must never import a primitive.
"""

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from ftlocks._records import Hold, LockInfo, LockState

_PACKAGE: Final = __name__.partition(".")[0]


class Observer:
    """Told what happens at every observed primitive; override what is of interest.

    Called on the thread in question, which may hold other locks, but never the one it is about.
    An observer must not use a primitive of this package, except ones it never shares.
    """

    # How many frames of the caller's stack to note with a hold that is told and with a waiter.
    site_depth = 0

    def wanted(self, lock: LockInfo, mode: str, blocking: bool) -> None:
        """The thread is about to take the lock (not when it has it already). May raise."""

    def gave_up(self, lock: LockInfo, mode: str, waited_ns: int) -> None:
        """The wait ended in a timeout or an exception."""

    def waited(self, lock: LockInfo, mode: str, waited_ns: int, granted: bool) -> None:
        """A wait that is no contention has ended: for a permit, an event, a condition, an item.

        `mode` is "semaphore", "event", "condition", "barrier", "put" or "get".
        """

    def released(self, hold: Hold) -> None:
        """A hold has ended that was contended, sampled, or made others wait. Must not raise."""

    # Whether a `Lock` has to know its owner during every hold, not only during timed ones.
    owners: ClassVar[bool] = False

    # For those that have to know of every hold, as a lock-order checker does. Where one of these
    # three is overridden, a lock goes the longer way through all of them.

    def taking(self, lock: LockInfo, mode: str, blocking: bool, key: object) -> None:
        """As `wanted`, with the key of a `KeyedLock`. May raise."""

    def taken(self, lock: LockInfo, mode: str, key: object) -> None:
        """The thread has the lock now; called while it has. Must not raise."""

    def left(self, lock: LockInfo, key: object, thread: int) -> None:
        """It is free again; `thread` is the ident of the one that had it, 0 if unknown."""

    def concerns(self, lock: LockInfo) -> bool:
        """Whether a `Lock` or `RLock` is to go that longer way for this observer's sake.

        Where another one wants all, or of other primitives, it is told of those as well.
        """
        return True


class Settings(NamedTuple):
    """How `Lock` and `RLock` are to be observed.

    Args:
        sample: one of how many uncontended holds is timed.
        told: whether some observer wants to know of every acquisition beforehand.
        owned: whether some observer wants to see the owner at every moment.
        tracked: whether some observer wants to know of every hold.
    """

    sample: int = 1
    told: bool = False
    owned: bool = False
    tracked: bool = False


class Observable(Protocol):
    """What a primitive offers to this module."""

    _info: LockInfo

    def _observe(self, on: bool) -> None:
        """Begin or end to time holds and tell observers; called with the switch held."""

    def _states(self) -> list[LockState]: ...


class _Reference(weakref.ref[Any]):
    __slots__ = ("id",)
    id: int


def _forget(reference: _Reference) -> None:
    _live.pop(reference.id, None)


_live: Final[dict[int, _Reference]] = {}
_switch: Final = threading.RLock()
_observers: tuple[tuple[Observer, int], ...] = ()
_requested = False

# Read by the primitives, written with the switch held.
active = False
settings = Settings()
_choosy: tuple[Observer, ...] = ()  # that want to know of every hold of some locks
site_depth = 0
on_wanted: tuple[Callable[[LockInfo, str, bool], None], ...] = ()
on_gave_up: tuple[Callable[[LockInfo, str, int], None], ...] = ()
on_waited: tuple[Callable[[LockInfo, str, int, bool], None], ...] = ()
on_released: tuple[Callable[[Hold], None], ...] = ()
on_taking: tuple[Callable[[LockInfo, str, bool, object], None], ...] = ()
on_taken: tuple[Callable[[LockInfo, str, object], None], ...] = ()
on_left: tuple[Callable[[LockInfo, object, int], None], ...] = ()


def register(lock: Observable, kind: str, name: str) -> None:
    """Give a new primitive its identity, and enter it. To be called when it is complete."""
    lock._info = identified(kind, name)
    enter(lock)


def identified(kind: str, name: str, made_by: FrameType | None = None) -> LockInfo:
    """The identity of a primitive that is being made.

    `made_by` is the frame that makes it, where that is not the first one outside this package.
    """
    frame = made_by
    if not name and made_by is None:
        frame = sys._getframe(1)
        while frame is not None and (
            frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE
            or frame.f_code.co_filename == "<string>"  # the __init__ of a dataclass
        ):
            frame = frame.f_back
    info = LockInfo(kind, name, frame)
    if made_by is not None:
        info.inside = _frames_up_to(made_by)
    return info


def enter(lock: Observable) -> None:
    """Have a primitive, which is complete, among those that are looked at."""
    reference = _Reference(lock, _forget)
    reference.id = lock._info.id
    _live[lock._info.id] = reference  # from here on other threads see it


def _frames_up_to(made_by: FrameType) -> tuple[tuple[CodeType, int], ...]:
    """The frames that stand between `made_by` and the primitive: which of its locks this is."""
    found = []
    frame = sys._getframe(2).f_back
    while frame is not None and frame is not made_by:
        if frame.f_globals.get("__name__", "").partition(".")[0] != _PACKAGE:
            found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def settings_of(lock: LockInfo) -> Settings:
    """How this `Lock` or `RLock` is to be observed."""
    if any(observer.concerns(lock) for observer in _choosy):
        return settings._replace(tracked=True)
    return settings


def begin(lock: Observable) -> None:
    """Observe a primitive just made, if observation is on. Call when it is complete."""
    if active:
        with _switch:
            lock._observe(active)


def live() -> list[Observable]:
    """All registered primitives that are alive, in order of creation."""
    found = [reference() for reference in _live.copy().values()]
    return [lock for lock in found if lock is not None]


def states() -> list[LockState]:
    """Every primitive's holders and waiters. A picture put together while the threads run on.

    A deadlock stays in the picture; what only passes by may be in one and not in the next.
    """
    return [state for lock in live() for state in lock._states()]


def observe(enabled: bool = True) -> None:
    """Keep full statistics of all locks from now on, or stop.

    Switched on, `Lock` and `RLock` know their owner, waiters and the time of every hold, name the
    threads in errors, and notice an owner that has died; an uncontended acquire and release costs
    up to ten times as much (`add_observer` can do with a sample). Locks that exist already are
    included. A lock made with ``statistics=True`` is always observed like this.
    """
    global _requested
    with _switch:
        _requested = enabled
        _apply()


def add_observer(observer: Observer, *, sample: int = 1) -> None:
    """Tell `observer` of what happens from now on.

    Args:
        sample: one of how many uncontended holds to time. Contended ones are all timed. Where
            several observers differ, the smallest number holds for all.
    """
    if sample < 1:
        raise ValueError(f"sample must be at least 1, got {sample!r}")
    global _observers
    with _switch:
        _observers = (*_observers, (observer, sample))
        _apply()


def remove_observer(observer: Observer) -> None:
    """Stop telling it. A hold that was acquired before and ends later may still be told."""
    global _observers
    with _switch:
        _observers = tuple(pair for pair in _observers if pair[0] is not observer)
        _apply()


@contextmanager
def observing(observer: Observer, *, sample: int = 1) -> Iterator[None]:
    """`add_observer` for the length of a block."""
    add_observer(observer, sample=sample)
    try:
        yield
    finally:
        remove_observer(observer)


def _tracks(kind: type[Observer]) -> bool:
    return (
        kind.taking is not Observer.taking
        or kind.taken is not Observer.taken
        or kind.left is not Observer.left
    )


def _apply() -> None:
    global active, settings, site_depth, _choosy, on_wanted, on_gave_up, on_waited, on_released
    global on_taking, on_taken, on_left
    told = [observer for observer, _ in _observers]
    # A method that nobody overrode costs nothing.
    on_wanted = tuple(o.wanted for o in told if type(o).wanted is not Observer.wanted)
    on_gave_up = tuple(o.gave_up for o in told if type(o).gave_up is not Observer.gave_up)
    on_waited = tuple(o.waited for o in told if type(o).waited is not Observer.waited)
    on_released = tuple(o.released for o in told if type(o).released is not Observer.released)
    on_taking = tuple(o.taking for o in told if type(o).taking is not Observer.taking)
    on_taken = tuple(o.taken for o in told if type(o).taken is not Observer.taken)
    on_left = tuple(o.left for o in told if type(o).left is not Observer.left)
    trackers = [o for o in told if _tracks(type(o))]
    _choosy = tuple(o for o in trackers if type(o).concerns is not Observer.concerns)
    sample = 1 if _requested else min((sample for _, sample in _observers), default=1)
    settings = Settings(
        sample,
        bool(on_wanted),
        any(observer.owners for observer in told),
        len(trackers) > len(_choosy),
    )
    site_depth = max((observer.site_depth for observer in told), default=0)
    active = _requested or bool(_observers)
    for lock in live():
        lock._observe(active)
