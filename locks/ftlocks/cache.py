"""A bounded cache in which a missing value is computed by one thread while the others wait.

`functools.lru_cache` lets every thread that misses compute: after an expiry, a hundred threads ask
the same database the same question. Here a key's computation is one flight, under a lock of that
key's own. Must never keep a failure, nor call the caller's code with its inner lock held.
"""

import threading
from _thread import allocate_lock
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from typing import cast

from ftlocks._base import Named
from ftlocks.errors import LockMisuseError
from ftlocks.keyed import KeyedLock
from ftlocks.tables import find

_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """A cache's figures.

    A `get()` is a hit, a miss (it computed), or joined (it waited for another thread's
    computation). `evicted` fell out for want of room, `expired` for age.
    """

    name: str
    size: int
    maximum: int
    in_flight: int
    waiting: int
    hits: int
    misses: int
    joined: int
    failures: int
    evicted: int
    expired: int


class _Flight:
    __slots__ = ("stale",)

    def __init__(self) -> None:
        self.stale = False


class SingleFlightCache[K: Hashable, V](Named):
    """Keeps up to `maximum` values, the recently used ones, for `ttl` seconds each.

    Happens-before: the return of the computation that made a value happens before every `get()`
    that returns that value. Different keys order nothing.

    Fairness: none. When a computation raises, its thread gets the exception, and one of those that
    wait for the key, any of them, computes next; nothing is kept.

    Args:
        maximum: values kept at most, at least 1; the least recently used one goes first.
        ttl: seconds that a value is kept; None keeps it until it falls out.
        clock: what time it is, in seconds, for `ttl`; tests pass one that they turn.
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
    """

    __slots__ = ("_clock", "_counts", "_flights", "_keys", "_maximum", "_mutex", "_ttl", "_values")

    def __init__(
        self,
        maximum: int,
        *,
        ttl: float | None = None,
        clock: Callable[[], float] = monotonic,
        name: str = "",
    ) -> None:
        if maximum < 1:
            raise ValueError(f"a cache keeps at least one value, got maximum={maximum!r}")
        if ttl is not None and ttl <= 0:
            raise ValueError(f"ttl must be positive or None, got {ttl!r}")
        self._maximum = maximum
        self._ttl = ttl
        self._clock = clock
        self._keys: KeyedLock[K] = KeyedLock(name)
        self._mutex = allocate_lock()  # guards all that follows; held for microseconds
        self._values: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._flights: dict[K, _Flight] = {}
        self._counts = dict.fromkeys(
            ("hits", "misses", "joined", "failures", "evicted", "expired"), 0
        )
        self._info = self._keys._info  # one entry in the registry, under which threads wait

    def get(self, key: K, compute: Callable[[K], V], *, timeout: float | None = None) -> V:
        """The value of `key`, computed by `compute(key)` where there is none.

        Args:
            timeout: seconds to wait for another thread's computation; None waits for ever.

        Raises:
            AcquireTimeoutError: another thread is still computing it.
            LockMisuseError: `compute` asks for the same key.
        """
        value = self._look(key, "hits")
        if value is not _ABSENT:
            return cast("V", value)
        with self._keys.hold(key, timeout):
            return self._fly(key, compute)

    def get_nowait(self, key: K, compute: Callable[[K], V]) -> V:
        """As `get()`; `WouldBlockError` where another thread is computing."""
        value = self._look(key, "hits")
        if value is not _ABSENT:
            return cast("V", value)
        self._keys.acquire_nowait(key)
        try:
            return self._fly(key, compute)
        finally:
            self._keys.release(key)

    def peek[D](self, key: K, default: D) -> V | D:
        """The value of `key`, or `default`; computes nothing, waits for nobody, counts nothing."""
        value = self._look(key, None)
        return default if value is _ABSENT else cast("V", value)

    def put(self, key: K, value: V) -> None:
        """Keep `value`, whatever a computation under way may come to."""
        with self._mutex:
            self._ground(key)
            self._keep(key, value)

    def invalidate(self, key: K) -> None:
        """Forget `key`'s value; one whose computation has begun will not be kept either."""
        with self._mutex:
            self._ground(key)
            self._values.pop(key, None)

    def clear(self) -> None:
        """Forget everything; values whose computation has begun will not be kept either."""
        with self._mutex:
            for flight in self._flights.values():
                flight.stale = True
            self._values.clear()

    def __len__(self) -> int:
        """How many values are kept now, expired ones that nobody asked for since included."""
        return len(self._values)

    def statistics(self) -> CacheStatistics:
        """The figures at one moment."""
        waiting = self._keys.statistics().waiting
        with self._mutex:
            return CacheStatistics(
                name=self._info.name,
                size=len(self._values),
                maximum=self._maximum,
                in_flight=len(self._flights),
                waiting=waiting,
                **self._counts,
            )

    def __repr__(self) -> str:
        flights = len(self._flights)
        return self._repr(
            f"{len(self._values)} of {self._maximum}"
            + (f", {flights} in flight" if flights else "")
        )

    def _described(self) -> str:
        return f"cache {self._info.label!r}"

    def _look(self, key: K, count: str | None) -> object:
        with self._mutex:
            return self._present(key, count)

    def _present(self, key: K, count: str | None) -> object:
        """What is kept of `key`; called with the mutex held."""
        found = find(self._values, key)
        if found is None:
            return _ABSENT
        value, expires = found
        if self._ttl is not None and self._clock() >= expires:
            del self._values[key]
            self._counts["expired"] += 1
            return _ABSENT
        if count is not None:
            self._values.move_to_end(key)
            self._counts[count] += 1
        return value

    def _fly(self, key: K, compute: Callable[[K], V]) -> V:
        """Compute, unless the value is there; called by the thread that holds the key."""
        flight = _Flight()
        with self._mutex:
            # Another thread may have brought it while this one waited. Looking and taking off are
            # one step: a `put` between them would be told of no flight, and be overwritten by it.
            present = self._present(key, "joined")
            if present is not _ABSENT:
                return cast("V", present)
            if key in self._flights:
                raise LockMisuseError(
                    f"the computation of {key!r} in {self._described()} asks for the same key, on "
                    f"thread {threading.current_thread().name!r}"
                )
            self._flights[key] = flight
            self._counts["misses"] += 1
        try:
            value = compute(key)
        except BaseException:
            with self._mutex:
                self._counts["failures"] += 1
                del self._flights[key]
            raise
        with self._mutex:
            del self._flights[key]
            if not flight.stale:
                self._keep(key, value)
        return value

    def _ground(self, key: K) -> None:
        flight = find(self._flights, key)
        if flight is not None:
            flight.stale = True

    def _keep(self, key: K, value: V) -> None:
        expires = 0.0 if self._ttl is None else self._clock() + self._ttl
        self._values[key] = (value, expires)
        self._values.move_to_end(key)
        if len(self._values) > self._maximum:
            self._values.popitem(last=False)
            self._counts["evicted"] += 1
