"""`Lock` and `RLock`: `threading`'s, with a name, figures and a word about who holds them.

The hot methods are not methods but slots, which hold the bound methods of the C lock underneath.
`with` finds them on the type like any other, and calls C at once: an acquire and release costs no
more than `threading`'s (rather less: the bound methods exist already). When the lock is observed,
the slots are filled with those of a watch (`ftlocks._watch`), and emptied of them later.
Must never run Python code on the way of a lock that nobody observes.
"""

import sys
from _thread import RLock as _CRLock
from _thread import allocate_lock
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ftlocks import _hooks
from ftlocks._base import PUBLIC
from ftlocks._hooks import Settings
from ftlocks._owners import c_owner, misuse
from ftlocks._records import LockInfo, LockState
from ftlocks._tracked import lock_watch, rlock_watch
from ftlocks._watch import LockWatch, RLockWatch
from ftlocks.errors import AcquireTimeoutError, WouldBlockError
from ftlocks.statistics import LockStatistics, Owner, Tally, owner_named

# Whether a release by a stranger is told with the names of both threads also by a lock that nobody
# observes. C does not know them, and to ask costs a call of Python, hence only in Python's own
# development mode (``python -X dev``).
names_misuse = sys.flags.dev_mode


class _NamingRelease:
    """`release` with the names of the threads in its complaint."""

    __slots__ = ("_info", "_raw")

    def __init__(self, info: LockInfo, raw: Any) -> None:
        self._info = info
        self._raw = raw

    def __call__(self) -> None:
        try:
            self._raw.release()
        except RuntimeError:
            raise misuse(self._info, self._raw, "released") from None


class _Mutex:
    """What `Lock` and `RLock` have in common."""

    # A dictionary, so that help() can tell what the methods do.
    __slots__ = {
        "__enter__": "Take the lock, waiting for ever.",
        "__exit__": "Let the lock go.",
        "__weakref__": None,
        "_always": None,
        "_info": None,
        "_raw": None,
        "_tally": None,
        "_watch": None,
        "acquire": "acquire(blocking=True, timeout=-1) -> bool\n\n"
        "Take the lock; whether it was got. `timeout` is in seconds, -1 waits for ever.\n"
        "A ValueError or OverflowError is raised for one that makes no sense.",
        "release": "release() -> None\n\n"
        "Let the lock go. RuntimeError when it is not held (`RLock`: not by this thread); a\n"
        "LockMisuseError, which names the threads, while observed and with ``python -X dev``.",
    }

    _reentrant = False
    _raw: Any
    _info: LockInfo
    _tally: Tally | None
    _watch: LockWatch | None
    _always: bool

    if TYPE_CHECKING:  # at run time these are the slots above

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
        def release(self) -> None: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, *exception: object) -> None: ...

    def _begin(
        self,
        raw: Any,
        name: str,
        statistics: bool,
        kind: str = "",
        made_by: FrameType | None = None,
    ) -> None:
        self._raw = raw
        self._tally = None
        self._watch = None
        self._always = statistics
        self._info = _hooks.identified(kind or type(self).__name__, name, made_by)
        self._go_bare()
        _hooks.enter(self)
        if statistics:
            self._observe(True)
        else:
            _hooks.begin(self)

    def _go_bare(self) -> None:
        raw = self._raw
        # Acquiring first: a release by the watch of what it did not acquire is no harm.
        self.__enter__ = raw.__enter__  # type: ignore[method-assign]  # a slot
        self.acquire = raw.acquire  # type: ignore[method-assign]
        self.__exit__ = raw.__exit__  # type: ignore[method-assign]
        release = _NamingRelease(self._info, raw) if names_misuse else raw.release
        self.release = release  # type: ignore[method-assign]

    def _make_watch(self, settings: Settings) -> LockWatch:
        return lock_watch(settings)(self._info, self._raw, self._tally, settings)

    def _observe(self, on: bool) -> None:
        watch = self._watch
        if on or self._always:
            settings = _hooks.settings_of(self._info)
            if self._always:
                settings = settings._replace(sample=1)
            if watch is None or watch.settings != settings:
                # A new one, to which figures go over, and nothing of a hold that has begun.
                watch = self._watch = self._tally = self._make_watch(settings)
                self.__exit__ = watch.exit  # type: ignore[assignment, method-assign]
                self.release = watch.release  # type: ignore[method-assign]
                self.__enter__ = watch.entry()  # type: ignore[method-assign]
                self.acquire = watch.way_in()  # type: ignore[method-assign]
        elif watch is not None:
            self._go_bare()
            self._watch = None

    def acquire_nowait(self) -> bool:
        """Take the lock without waiting; True. Raises `WouldBlockError` when it is held."""
        if self.acquire(False):
            return True
        owner = self._owner()
        raise WouldBlockError(
            f"{self._info.kind} {self._info.label!r} is held"
            + ("" if owner is None else f" by thread {owner}")
        )

    @contextmanager
    def within(self, timeout: float) -> Iterator[None]:
        """A block that holds the lock, entered within `timeout` seconds.

        Raises `AcquireTimeoutError` when it is not to be had in time.
        """
        if not self.acquire(timeout=timeout):
            owner = self._owner()
            raise AcquireTimeoutError(
                f"{self._info.kind} {self._info.label!r} was still held"
                + ("" if owner is None else f" by thread {owner}")
                + f" after {timeout:g} s"
            )
        try:
            yield
        finally:
            self.release()

    def locked(self) -> bool:
        """Whether any thread holds it now."""
        return bool(self._raw.locked())

    @property
    def name(self) -> str:
        """The name it was given, "" without."""
        return self._info.name

    def statistics(self) -> LockStatistics:
        """The figures now, read one after the other while other threads run on.

        Counts are kept while the lock is observed (`ftlocks.observe()`, ``statistics=True``, or a
        profile) and stay afterwards.
        """
        watch, tally = self._watch, self._tally
        return LockStatistics(
            name=self._info.name,
            locked=self.locked(),
            owner=self._owner(),
            waiting=0 if watch is None else len(watch.waiters),
            observed=watch is not None,
            **({} if tally is None else tally.figures()),
        )

    def __repr__(self) -> str:
        state = "locked" if self.locked() else "unlocked"
        words = [f"<{state} {PUBLIC}.{type(self).__qualname__} object"]
        if self._info.name:
            words.append(repr(self._info.name))
        owner = self._owner()
        if owner is not None:
            words.append(f"owner={owner}")
        if self._watch is not None and self._watch.waiters:
            words.append(f"waiting={len(self._watch.waiters)}")
        return " ".join([*words, f"at {id(self):#x}>"])

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r}: its meaning is identity")

    def _owner(self) -> Owner | None:
        return owner_named(self._owner_ident())

    def _owner_ident(self) -> int:
        # The watch leaves who took it last, so that it has less to do.
        return self._watch.owner if self._watch is not None and self._raw.locked() else 0

    def _states(self) -> list[LockState]:
        watch = self._watch
        owner = self._owner_ident()
        return [
            LockState(
                self._info,
                None,
                (owner,) if owner else (),
                () if watch is None else tuple(watch.waiters.copy().values()),
                () if watch is None or not owner else (watch.turns(),),
                reentrant=self._reentrant,
            )
        ]

    # For `Condition`, this package's and `threading`'s.

    def _release_save(self) -> object:
        watch = self._watch
        return self._bare_release_save() if watch is None else watch.release_save()

    def _acquire_restore(self, state: object) -> None:
        watch = self._watch
        if watch is None:
            self._bare_acquire_restore(state)
        else:
            watch.acquire_restore(state)

    def _bare_release_save(self) -> object:
        return self._raw._release_save()

    def _bare_acquire_restore(self, state: object) -> None:
        self._raw._acquire_restore(state)

    def _at_fork_reinit(self) -> None:
        """Free again, in the child of a fork."""
        self._raw._at_fork_reinit()
        if self._watch is not None:
            self._watch = None
            self._observe(True)


class Lock(_Mutex):
    """A mutual exclusion lock: `threading.Lock`, with a name and statistics.

    Happens-before: the n-th release happens before the (n+1)-th acquisition returns, so whoever
    holds the lock sees all that earlier holders did under it. A failed try and a timeout order
    nothing.

    Fairness: none. A thread that releases may take it again before one that waits; a waiting thread
    may in theory starve.

    Not reentrant: a thread that takes it twice waits for itself. Any thread may release it.

    Args:
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
        statistics: observe this lock always, also while `ftlocks.observe()` is off.
    """

    __slots__ = ()

    def __init__(self, name: str = "", *, statistics: bool = False) -> None:
        self._begin(allocate_lock(), name, statistics)

    def _bare_release_save(self) -> object:
        self._raw.release()
        return None

    def _bare_acquire_restore(self, state: object) -> None:
        self._raw.acquire()

    def _is_owned(self) -> bool:
        # As far as anybody can tell: a C lock has no owner.
        return bool(self._raw.locked())


class RLock(_Mutex):
    """A reentrant lock: `threading.RLock`, with a name and statistics.

    Its holder may take it again at once, and must release it as often; only the outermost pair
    counts in statistics.

    Happens-before: the n-th outermost release happens before the (n+1)-th outermost acquisition
    returns, so whoever holds the lock sees all that earlier holders did under it. A failed try and
    a timeout order nothing.

    Fairness: none. A thread that releases may take it again before one that waits.

    While it is observed, a release by a stranger names both threads (`LockMisuseError`), and a
    thread that waits for one whose holder has ended gets `OwnerDiedError`. Otherwise the former is
    a plain RuntimeError (with ``python -X dev`` it names them too) and the latter waits for ever,
    as with `threading`'s.

    Args:
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
        statistics: observe this lock always, also while `ftlocks.observe()` is off.
    """

    __slots__ = ()

    _reentrant = True

    def __init__(self, name: str = "", *, statistics: bool = False) -> None:
        self._begin(_CRLock(), name, statistics)

    def locked(self) -> bool:
        """Whether any thread holds it now."""
        return self._owner_ident() != 0

    def _make_watch(self, settings: Settings) -> RLockWatch:
        return rlock_watch(settings)(self._info, self._raw, self._tally, settings)

    def _owner_ident(self) -> int:
        return c_owner(self._raw)

    def _is_owned(self) -> bool:
        return bool(self._raw._is_owned())

    def _recursion_count(self) -> int:
        return int(self._raw._recursion_count())
