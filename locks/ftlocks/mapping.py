"""A dictionary whose compound operations are one step.

Single operations of a `dict` are atomic on both builds; looking and then acting on what was seen is
not. Reading takes no lock here. Must never call the caller's code with an inner lock held: what a
function computes is put in only if nothing has changed meanwhile.
"""

import threading
from _thread import allocate_lock
from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, cast

from ftlocks._base import PUBLIC, Named
from ftlocks.errors import LockMisuseError
from ftlocks.keyed import KeyedLock
from ftlocks.tables import find

# Inner locks, by a key's hash. A guess: more than the cores that this runs on.
_STRIPES: Final = 16
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrentDictStatistics:
    """`created` values came from `get_or_create`'s factories, `updates` from `update_with`.

    `retries` are calls of an update function that came to nothing, because another thread had
    changed the value; `waiting` are threads that wait for another's factory.
    """

    name: str
    size: int
    created: int
    updates: int
    retries: int
    waiting: int


class _Counts:
    """One stripe's lock and the counts that it guards."""

    __slots__ = ("created", "lock", "retries", "updates")

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.created = 0
        self.updates = 0
        self.retries = 0


class ConcurrentDict[K: Hashable, V](Named, MutableMapping[K, V]):
    """A `dict` for many threads, with atomic look-and-act operations.

    Happens-before: putting a value in happens before every operation that returns or replaces it.
    For each key by itself, changes are in one order that all threads agree on; different keys are
    not ordered.

    Fairness: none. `get_or_create` makes threads that ask for the same key wait for the one that
    computes it; nothing else waits, and an update may in theory be outrun for ever.

    Iterating, `items()`, `keys()` and `values()` go over a copy, so that others may change the
    dictionary meanwhile; the copy is one moment's picture.

    Args:
        initial: what to begin with; copied.
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
    """

    __slots__ = ("_creating", "_entries", "_keys", "_stripes")

    def __init__(self, initial: Mapping[K, V] | None = None, name: str = "") -> None:
        self._entries: dict[K, V] = {} if initial is None else dict(initial)
        self._stripes = tuple(_Counts() for _ in range(_STRIPES))
        self._keys: KeyedLock[K] = KeyedLock(name)
        self._creating: set[K] = set()  # keys whose factory runs, each held by its thread
        self._info = self._keys._info  # one entry in the registry, under which threads wait

    def get_or_create(self, key: K, factory: Callable[[], V], *, timeout: float | None = None) -> V:
        """The value of `key`; where there is none, `factory()` makes it, on one thread.

        Others that ask for the key meanwhile wait. When the factory raises, its thread gets the
        exception and one of the others tries next. A value that is assigned to the key meanwhile
        wins over the factory's.

        Args:
            timeout: seconds to wait for another thread's factory; None waits for ever.

        Raises:
            AcquireTimeoutError: another thread is still making it.
            LockMisuseError: the factory asks for the same key.
        """
        value = find(self._entries, key, _ABSENT)
        if value is not _ABSENT:
            return cast("V", value)
        with self._keys.hold(key, timeout):
            value = find(self._entries, key, _ABSENT)
            if value is not _ABSENT:
                return cast("V", value)
            if key in self._creating:
                raise LockMisuseError(
                    f"the factory for {key!r} in {self._described()} asks for the same key, on "
                    f"thread {threading.current_thread().name!r}"
                )
            self._creating.add(key)
            try:
                made = factory()
            finally:
                self._creating.discard(key)
            stripe = self._stripe(key)
            with stripe.lock:
                value = find(self._entries, key, _ABSENT)
                if value is not _ABSENT:
                    return cast("V", value)
                self._entries[key] = made
                stripe.created += 1
            return made

    def update_with(self, key: K, function: Callable[[V], V], default: V) -> V:
        """Replace `key`'s value, `default` where there is none, by `function(value)`; the new one.

        `function` runs without a lock, and again when another thread has changed the value
        meanwhile: it should be quick and do nothing else. No update is lost.
        """
        stripe = self._stripe(key)
        while True:
            before = find(self._entries, key, _ABSENT)
            after = function(default if before is _ABSENT else cast("V", before))
            with stripe.lock:
                if find(self._entries, key, _ABSENT) is before:
                    self._entries[key] = after
                    stripe.updates += 1
                    return after
                stripe.retries += 1

    def compare_and_set(self, key: K, expected: V, value: V) -> bool:
        """Replace `key`'s value if it is the very object `expected`; whether it was."""
        with self._stripe(key).lock:
            if find(self._entries, key, _ABSENT) is not expected:
                return False
            self._entries[key] = value
            return True

    def remove_if(self, key: K, expected: V) -> bool:
        """Remove `key` if its value is the very object `expected`; whether it was."""
        with self._stripe(key).lock:
            if find(self._entries, key, _ABSENT) is not expected:
                return False
            del self._entries[key]
            return True

    def setdefault(self, key: K, default: V) -> V:
        """The value of `key`, which is `default` from now on where there was none."""
        with self._stripe(key).lock:
            return self._entries.setdefault(key, default)

    def pop[D](self, key: K, default: D = _ABSENT) -> V | D:  # type: ignore[assignment]
        """Remove `key`; its value, or `default`. KeyError without both."""
        with self._stripe(key).lock:
            if default is _ABSENT:
                return self._entries.pop(key)
            return self._entries.pop(key, default)

    def popitem(self) -> tuple[K, V]:
        """Remove one key, the youngest; it and its value. KeyError when there is none."""
        while True:
            try:
                key = next(reversed(list(self._entries)))
            except StopIteration:
                raise KeyError(f"{self!r} is empty") from None
            value = self.pop(key, _ABSENT)
            if value is not _ABSENT:
                return key, cast("V", value)

    def clear(self) -> None:
        """Remove everything that is here now."""
        for key in self.snapshot():
            self.pop(key, None)

    def snapshot(self) -> dict[K, V]:
        """A copy: one moment's picture."""
        return self._entries.copy()

    def get(self, key: K, default: Any = None) -> Any:
        """The value of `key`, or `default`."""
        return find(self._entries, key, default)

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def __setitem__(self, key: K, value: V) -> None:
        with self._stripe(key).lock:
            self._entries[key] = value

    def __delitem__(self, key: K) -> None:
        with self._stripe(key).lock:
            del self._entries[key]

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._entries))

    def items(self):  # type: ignore[no-untyped-def]  # noqa: ANN201  # dict's own, of the copy
        """Keys and values of a copy."""
        return self.snapshot().items()

    def values(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        """Values of a copy."""
        return self.snapshot().values()

    def statistics(self) -> ConcurrentDictStatistics:
        """The figures now, read one after the other."""
        return ConcurrentDictStatistics(
            name=self._info.name,
            size=len(self._entries),
            created=sum(stripe.created for stripe in self._stripes),
            updates=sum(stripe.updates for stripe in self._stripes),
            retries=sum(stripe.retries for stripe in self._stripes),
            waiting=self._keys.statistics().waiting,
        )

    def __repr__(self) -> str:
        label = f" {self._info.name!r}" if self._info.name else ""
        return f"<{PUBLIC}.{type(self).__qualname__}{label} {self.snapshot()!r}>"

    def _stripe(self, key: K) -> _Counts:
        return self._stripes[hash(key) % _STRIPES]

    def _described(self) -> str:
        return f"dictionary {self._info.label!r}"
