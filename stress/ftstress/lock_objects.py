"""Object tests of `ftlocks`' primitives: every answer they give is explained by one order.

``ftstress objects ftstress.lock_objects``. As in `ftstress.lock_litmus`, each makes its primitive
in `make`, so that a test can put a weakened copy in its place and see that it fails.

`ShardedCounter.value` is left out: it adds up the threads' shares one by one, and so may tell a sum
that the counter never had (docs/outcomes.md shows it).
"""

from typing import Any

import ftlocks
from ftstress.objects import ObjectTest, choice, integers, operation


class _Number:
    def __init__(self) -> None:
        self.value = 0

    def get(self) -> int:
        return self.value

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    def exchange(self, value: int) -> int:
        before, self.value = self.value, value
        return before

    def compare_and_set(self, expected: int, value: int) -> bool:
        if self.value != expected:
            return False
        self.value = value
        return True

    def double(self) -> int:
        self.value = 2 * self.value % 8
        return self.value


class AtomicInt(ObjectTest):
    """AtomicInt: read, add, exchange, compare and set, update."""

    model = _Number
    modules = ("ftlocks.atomic",)

    def __init__(self) -> None:
        self.number = self.make()

    def make(self) -> Any:
        return ftlocks.AtomicInt()

    @operation()
    def get(self) -> object:
        return self.number.get()

    @operation(amount=integers(1, 2))
    def add(self, amount: int) -> object:
        return self.number.add(amount)

    @operation(value=integers(0, 3))
    def exchange(self, value: int) -> object:
        return self.number.exchange(value)

    @operation(expected=integers(0, 3), value=integers(0, 3))
    def compare_and_set(self, expected: int, value: int) -> object:
        return self.number.compare_and_set(expected, value)

    @operation()
    def double(self) -> object:
        return self.number.update(lambda value: 2 * value % 8)


class _Entry:
    """One key of a dictionary."""

    def __init__(self) -> None:
        self.value: int | None = None

    def put(self, key: str, value: int) -> None:
        self.value = value

    def get(self, key: str) -> int | None:
        return self.value

    def has(self, key: str) -> bool:
        return self.value is not None

    def take(self, key: str) -> int | None:
        before, self.value = self.value, None
        return before

    def remove(self, key: str) -> None:
        if self.value is None:
            raise KeyError(key)
        self.value = None

    def keep(self, key: str, value: int) -> int:
        if self.value is None:
            self.value = value
        return self.value

    create = keep

    def add(self, key: str) -> int:
        self.value = (self.value or 0) + 1
        return self.value

    def swap(self, key: str, expected: int, value: int) -> bool:
        if self.value != expected:
            return False
        self.value = value
        return True

    def drop(self, key: str, expected: int) -> bool:
        if self.value != expected:
            return False
        self.value = None
        return True


_KEYS = choice("a", "b")
_VALUES = integers(1, 3)  # small numbers, which are one object each: `expected` goes by identity


class ConcurrentDict(ObjectTest):
    """ConcurrentDict: each key by itself, with all that looks and then acts."""

    model = _Entry
    partition_by = "key"
    modules = ("ftlocks.mapping",)

    def __init__(self) -> None:
        self.table = self.make()

    def make(self) -> Any:
        return ftlocks.ConcurrentDict[str, int]()

    @operation(key=_KEYS, value=_VALUES)
    def put(self, key: str, value: int) -> None:
        self.table[key] = value

    @operation(key=_KEYS)
    def get(self, key: str) -> object:
        return self.table.get(key)

    @operation(key=_KEYS)
    def has(self, key: str) -> object:
        return key in self.table

    @operation(key=_KEYS)
    def take(self, key: str) -> object:
        return self.table.pop(key, None)

    @operation(key=_KEYS)
    def remove(self, key: str) -> None:
        del self.table[key]

    @operation(key=_KEYS, value=_VALUES)
    def keep(self, key: str, value: int) -> object:
        return self.table.setdefault(key, value)

    @operation(key=_KEYS, value=_VALUES)
    def create(self, key: str, value: int) -> object:
        return self.table.get_or_create(key, lambda: value)

    @operation(key=_KEYS)
    def add(self, key: str) -> object:
        return self.table.update_with(key, lambda value: value + 1, 0)

    @operation(key=_KEYS, expected=_VALUES, value=_VALUES)
    def swap(self, key: str, expected: int, value: int) -> object:
        return self.table.compare_and_set(key, expected, value)

    @operation(key=_KEYS, expected=_VALUES)
    def drop(self, key: str, expected: int) -> object:
        return self.table.remove_if(key, expected)


class _Queue:
    def __init__(self) -> None:
        self.items: list[int] = []
        self.closed = False

    def put(self, item: int) -> None:
        if self.closed:
            raise ftlocks.ClosedError
        if len(self.items) == 2:
            raise ftlocks.WouldBlockError
        self.items.append(item)

    def get(self) -> int:
        if self.items:
            return self.items.pop(0)
        raise ftlocks.ClosedError if self.closed else ftlocks.WouldBlockError

    def close(self) -> None:
        self.closed = True

    def size(self) -> int:
        return len(self.items)


class Channel(ObjectTest):
    """Channel: first in, first out, bounded, and closed for good."""

    model = _Queue
    modules = ("ftlocks.channel",)
    length = 4

    def __init__(self) -> None:
        self.channel = self.make()

    def make(self) -> Any:
        return ftlocks.Channel[int](2)

    @operation(item=integers(1, 3))
    def put(self, item: int) -> None:
        self.channel.put_nowait(item)

    @operation()
    def get(self) -> object:
        return self.channel.get_nowait()

    @operation()
    def close(self) -> None:
        self.channel.close()

    @operation()
    def size(self) -> object:
        return len(self.channel)


class _Cached:
    """One key of a cache."""

    def __init__(self) -> None:
        self.value: int | None = None

    def get(self, key: str, value: int) -> int:
        if self.value is None:
            self.value = value
        return self.value

    def peek(self, key: str) -> int | None:
        return self.value

    def put(self, key: str, value: int) -> None:
        self.value = value


class SingleFlightCache(ObjectTest):
    """SingleFlightCache: each key by itself: compute, look, put."""

    model = _Cached
    partition_by = "key"
    modules = ("ftlocks.cache",)

    def __init__(self) -> None:
        self.cache = self.make()

    def make(self) -> Any:
        return ftlocks.SingleFlightCache[str, int](8)

    @operation(key=_KEYS, value=_VALUES)
    def get(self, key: str, value: int) -> object:
        return self.cache.get(key, lambda _: value)

    @operation(key=_KEYS, value=_VALUES)
    def put(self, key: str, value: int) -> None:
        self.cache.put(key, value)

    @operation(key=_KEYS)
    def peek(self, key: str) -> object:
        return self.cache.peek(key, None)


class _Permits:
    def __init__(self) -> None:
        self.left = 2

    def acquire(self) -> bool:
        if not self.left:
            return False
        self.left -= 1
        return True

    def release(self) -> None:
        if self.left == 2:
            raise ValueError
        self.left += 1


class BoundedSemaphore(ObjectTest):
    """BoundedSemaphore: never more permits than there are."""

    model = _Permits
    modules = ("ftlocks.semaphore",)

    def __init__(self) -> None:
        self.semaphore = self.make()

    def make(self) -> Any:
        return ftlocks.BoundedSemaphore(2)

    @operation()
    def acquire(self) -> object:
        return self.semaphore.acquire(False)

    @operation()
    def release(self) -> None:
        self.semaphore.release()


class _Flag:
    def __init__(self) -> None:
        self.value = False

    def set(self) -> None:
        self.value = True

    def clear(self) -> None:
        self.value = False

    def is_set(self) -> bool:
        return self.value


class Event(ObjectTest):
    """Event: set, cleared, looked at."""

    model = _Flag
    modules = ("ftlocks.event",)

    def __init__(self) -> None:
        self.event = self.make()

    def make(self) -> Any:
        return ftlocks.Event()

    @operation()
    def set(self) -> None:
        self.event.set()

    @operation()
    def clear(self) -> None:
        self.event.clear()

    @operation()
    def is_set(self) -> object:
        return self.event.is_set()


class _Token:
    def __init__(self) -> None:
        self.is_held = False

    def take(self) -> bool:
        if self.is_held:
            return False
        self.is_held = True
        return True

    def give(self) -> str:
        if not self.is_held:
            return "refused"
        self.is_held = False
        return "given"

    def locked(self) -> bool:
        return self.is_held


class Lock(ObjectTest):
    """Lock: held by one, released once."""

    model = _Token
    modules = ("ftlocks.mutex",)

    def __init__(self) -> None:
        self.lock = self.make()

    def make(self) -> Any:
        return ftlocks.Lock()

    @operation()
    def take(self) -> object:
        return self.lock.acquire(False)

    @operation()
    def give(self) -> object:
        try:
            self.lock.release()
        except RuntimeError:
            return "refused"
        return "given"

    @operation()
    def locked(self) -> object:
        return self.lock.locked()
