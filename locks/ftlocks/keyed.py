"""A lock for each key, which exists only while somebody holds it or waits for it.

A dictionary of locks that is never emptied grows with every key ever seen; one that is emptied
carelessly gives two threads different locks for the same key. Here a key's entry counts those who
need it, under the lock that guards the dictionary. Must never wait while that one is held.
"""

import threading
from _thread import RLock as _CRLock
from _thread import allocate_lock
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter_ns as clock
from typing import NoReturn

from ftlocks import _hooks
from ftlocks._base import Named
from ftlocks._owners import is_alive
from ftlocks._records import EXCLUSIVE, POLL_SECONDS, Hold, LockState, Waiter, blocked_by
from ftlocks._sites import Site, capture
from ftlocks.errors import AcquireTimeoutError, LockMisuseError, OwnerDiedError, WouldBlockError
from ftlocks.statistics import Owner, Tally, UseStatistics, owner_of
from ftlocks.tables import find


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedLockStatistics(UseStatistics):
    """The figures of all keys together. `busy` are the keys that are held, with their owners."""

    name: str
    busy: dict[Hashable, Owner | None]
    waiting: int


class _Entry:
    """One key's lock and how many threads hold it or wait for it."""

    __slots__ = ("depth", "handed", "lock", "owner", "since", "site", "users", "waited", "waiters")

    def __init__(self) -> None:
        self.lock = _CRLock()
        self.users = 0  # guarded by KeyedLock._mutex
        self.waiters: dict[int, Waiter] = {}
        # Written by whoever holds `lock`.
        self.owner: threading.Thread | None = None
        self.depth = 0
        self.since = 0
        self.waited = -1
        self.site: Site | None = None
        self.handed = (0, 0)  # who let go last while others waited, and when


class KeyedLock[K: Hashable](Named):
    """A reentrant lock per key; keys that nobody uses take no memory.

    Happens-before: for each key by itself, the n-th outermost release happens before the (n+1)-th
    outermost acquisition returns. Different keys order nothing.

    Fairness: none, for any key. Holders of different keys do not wait for each other, apart from
    the microsecond in which the table of keys is looked at.

    Take several keys through `hold_all()`: threads that take the same keys in different orders
    wait for each other for ever. A wait for a thread that ended while it held the key raises
    `OwnerDiedError`.

    Args:
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
        statistics: time every hold, also while `ftlocks.observe()` is off.
    """

    __slots__ = ("_always", "_entries", "_mutex", "_tally", "_timed")

    def __init__(self, name: str = "", *, statistics: bool = False) -> None:
        self._always = statistics
        self._timed = statistics
        self._mutex = allocate_lock()  # guards the two below
        self._entries: dict[K, _Entry] = {}
        self._tally = Tally()
        self._register(name)

    def acquire(self, key: K, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take `key`'s lock; whether it was got.

        Args:
            timeout: seconds to wait at most; None waits for ever.
        """
        if timeout is not None:
            if not blocking:
                raise ValueError("can't specify a timeout for a non-blocking call")
            if timeout < 0:
                raise ValueError(f"timeout must not be negative, got {timeout!r}")
        me = threading.current_thread()
        if (_hooks.on_wanted or _hooks.on_taking) and not self._held_by(key, me):
            for wanted in _hooks.on_wanted:
                wanted(self._info, EXCLUSIVE, blocking)
            for taking in _hooks.on_taking:
                taking(self._info, EXCLUSIVE, blocking and timeout != 0, key)
        with self._mutex:
            entry = find(self._entries, key)
            if entry is None:
                entry = self._entries[key] = _Entry()
            entry.users += 1
            got = entry.lock.acquire(False)
            if got and not entry.depth:
                self._tally.acquisitions += 1
        try:
            if not got and blocking and timeout != 0:
                got = self._wait(key, entry, timeout)
        finally:
            if not got:
                self._drop(key, entry)
        if got:
            entry.depth += 1
            if entry.depth == 1:
                entry.owner = me
                entry.since = clock() if self._timed else 0
                for taken in _hooks.on_taken:
                    taken(self._info, EXCLUSIVE, key)
        return got

    def acquire_nowait(self, key: K) -> bool:
        """Take `key`'s lock without waiting; True. Raises `WouldBlockError` when it is held."""
        return self.acquire(key, blocking=False) or self._would_block(key)

    def release(self, key: K) -> None:
        """Let `key`'s lock go. `LockMisuseError` when this thread does not hold it."""
        me = threading.current_thread()
        entry = find(self._entries, key)
        if entry is None or entry.owner is not me:
            holder = None if entry is None else entry.owner
            raise LockMisuseError(
                f"thread {me.name!r} released key {key!r} of {self._described()}, which "
                + ("nobody holds" if holder is None else f"thread {holder.name!r} holds")
            )
        entry.depth -= 1
        since, waited, held = entry.since, entry.waited, 0
        outermost = not entry.depth
        site, handed, now = entry.site, entry.handed, 0
        waiters: tuple[Waiter, ...] = ()
        if outermost:
            if since:
                now = clock()
                held = now - since
                waiters = tuple(entry.waiters.copy().values())
                if waiters:
                    entry.handed = (me.ident or 0, now)
            entry.owner = None
            entry.waited = -1
            entry.site = None
        entry.lock.release()
        if outermost:
            for left in _hooks.on_left:
                left(self._info, key, me.ident or 0)
        with self._mutex:
            self._forget(key, entry)
            if held:
                self._tally.held(held)
        if held and _hooks.on_released:
            contended = waited >= 0
            hold = Hold(
                self._info,
                EXCLUSIVE,
                me.ident or 0,
                since,
                max(waited, 0),
                contended,
                held,
                1,
                len(waiters),
                site,
                blocked_by(max(since, handed[1]), now, waiters) if _hooks.site_depth else (),
                handed if contended and handed[1] > since - waited else (0, 0),
            )
            for released in _hooks.on_released:
                released(hold)

    @contextmanager
    def hold(self, key: K, timeout: float | None = None) -> Iterator[None]:
        """A block that holds `key`. `AcquireTimeoutError` when it is not to be had in time."""
        if not self.acquire(key, timeout=timeout):
            raise AcquireTimeoutError(
                f"key {key!r} of {self._described()} was still held{self._holder(key)} "
                f"after {timeout:g} s"
            )
        try:
            yield
        finally:
            self.release(key)

    @contextmanager
    def hold_all(self, *keys: K, timeout: float | None = None) -> Iterator[None]:
        """A block that holds all `keys`, taken in sorted order, so that no two blocks deadlock.

        The keys must be comparable with each other. `timeout` is for all of them together.
        """
        ordered = sorted(set(keys))  # type: ignore[type-var]  # said above
        limit = None if timeout is None else clock() + int(timeout * 1e9)
        taken: list[K] = []
        try:
            for key in ordered:
                left = None if limit is None else max(0.0, (limit - clock()) / 1e9)
                if not self.acquire(key, timeout=left):
                    raise AcquireTimeoutError(
                        f"key {key!r} of {self._described()} was still held{self._holder(key)} "
                        f"after {timeout:g} s"
                    )
                taken.append(key)
            yield
        finally:
            for key in reversed(taken):
                self.release(key)

    def locked(self, key: K) -> bool:
        """Whether any thread holds `key` now."""
        entry = find(self._entries, key)
        return entry is not None and entry.owner is not None

    def __len__(self) -> int:
        """How many keys are held or waited for now."""
        return len(self._entries)

    def statistics(self) -> KeyedLockStatistics:
        """The figures at one moment. Counts and waits are always kept; holds while observed."""
        with self._mutex:
            return KeyedLockStatistics(
                name=self._info.name,
                busy={
                    key: owner_of(entry.owner)
                    for key, entry in self._entries.items()
                    if entry.owner is not None
                },
                waiting=sum(len(entry.waiters) for entry in self._entries.values()),
                **self._tally.figures(),
            )

    def __repr__(self) -> str:
        held = ", ".join(
            f"{key!r} by {owner.name}"
            for key, entry in self._entries.copy().items()
            if (owner := entry.owner) is not None
        )
        return self._repr(f"held={{{held}}}")

    def _wait(self, key: K, entry: _Entry, timeout: float | None) -> bool:
        started = clock()
        waiter = Waiter(EXCLUSIVE, started, gated=False, timeout=timeout)
        if _hooks.site_depth:
            waiter.site = capture(_hooks.site_depth)
        entry.waiters[id(waiter)] = waiter
        got = False
        try:
            got = self._poll(key, entry, waiter, timeout)
        finally:
            waited = clock() - started
            del entry.waiters[id(waiter)]
            with self._mutex:
                self._tally.contended(waited)
                self._tally.acquisitions += got
            if not got:
                for gave_up in _hooks.on_gave_up:
                    gave_up(self._info, EXCLUSIVE, waited)
        if got:
            entry.waited = waited
            entry.site = waiter.site
        return got

    def _poll(self, key: K, entry: _Entry, waiter: Waiter, timeout: float | None) -> bool:
        pause = POLL_SECONDS
        while True:
            if timeout is not None:
                pause = min(POLL_SECONDS, timeout - (clock() - waiter.since_ns) / 1e9)
                if pause <= 0:
                    return False
            if entry.lock.acquire(True, pause):
                return True
            if waiter.error is not None:
                raise waiter.error
            owner = entry.owner
            # Looked at twice: one that released it and ended in between has done no wrong.
            if owner is not None and not is_alive(owner) and entry.owner is owner:
                raise OwnerDiedError(
                    f"key {key!r} of {self._described()} can never be taken again: thread "
                    f"{owner.name!r} ended without releasing it; hold it with a `with` block there"
                )

    def _drop(self, key: K, entry: _Entry) -> None:
        with self._mutex:
            self._forget(key, entry)

    def _forget(self, key: K, entry: _Entry) -> None:
        """One user less; called with the inner lock held."""
        entry.users -= 1
        if not entry.users:
            del self._entries[key]

    def _held_by(self, key: K, thread: threading.Thread) -> bool:
        entry = find(self._entries, key)
        return entry is not None and entry.owner is thread

    def _holder(self, key: K) -> str:
        entry = find(self._entries, key)
        owner = None if entry is None else entry.owner
        return "" if owner is None else f" by thread {owner.name!r}"

    def _would_block(self, key: K) -> NoReturn:
        raise WouldBlockError(f"key {key!r} of {self._described()} is held{self._holder(key)}")

    def _observe(self, on: bool) -> None:
        self._timed = on or self._always

    def _states(self) -> list[LockState]:
        return [
            LockState(
                self._info,
                key,
                () if (owner := entry.owner) is None else (owner.ident or 0,),
                tuple(entry.waiters.copy().values()),
                () if owner is None else (entry.since,),
                reentrant=True,
            )
            for key, entry in self._entries.copy().items()
        ]
