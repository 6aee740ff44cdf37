"""Litmus tests of `ftlocks`' primitives: what each promises, tried on itself.

``ftstress litmus ftstress.lock_litmus``. A test makes its primitive in `make`, so that a weakened
copy can be put in its place: `tests/stress/test_lock_litmus.py` shows that each test then fails.
"""

from typing import Any

import ftlocks
from ftstress.litmus import (
    OTHERS,
    Litmus,
    acceptable,
    actor,
    arbiter,
    forbidden,
    interesting,
)


class AtomicIntAdds(Litmus):
    """AtomicInt: two additions at once give two different sums."""

    modules = ("ftlocks.atomic",)
    outcomes = (
        acceptable((1, 2), "first, then second"),
        acceptable((2, 1), "second, then first"),
        forbidden(OTHERS, "an addition was lost"),
    )

    def __init__(self) -> None:
        self.number = self.make()

    def make(self) -> Any:
        return ftlocks.AtomicInt()

    @actor
    def first(self) -> object:
        return self.number.add()

    @actor
    def second(self) -> object:
        return self.number.add()


class AtomicRefClaim(Litmus):
    """AtomicRef: of two that claim the same thing, one gets it."""

    modules = ("ftlocks.atomic",)
    outcomes = (
        acceptable((True, False), "first was quicker"),
        acceptable((False, True), "second was quicker"),
        forbidden(OTHERS, "both have it, or nobody"),
    )

    def __init__(self) -> None:
        self.free = object()
        self.owner = self.make(self.free)

    def make(self, value: object) -> Any:
        return ftlocks.AtomicRef(value)

    @actor
    def first(self) -> object:
        return self.owner.compare_and_set(self.free, "first")

    @actor
    def second(self) -> object:
        return self.owner.compare_and_set(self.free, "second")


class AtomicStoreBuffer(Litmus):
    """AtomicInt: who writes one and then reads the other is seen, or sees."""

    modules = ("ftlocks.atomic",)
    outcomes = (
        acceptable((0, 1), "left had read before right wrote"),
        acceptable((1, 0), "and the reverse"),
        interesting((1, 1), "both wrote before either read"),
        forbidden((0, 0), "a write was not seen: changes are not in one order"),
    )

    def __init__(self) -> None:
        self.x, self.y = ftlocks.AtomicInt(), ftlocks.AtomicInt()

    @actor
    def left(self) -> object:
        self.x.set(1)
        return self.y.get()

    @actor
    def right(self) -> object:
        self.y.set(1)
        return self.x.get()


class _Counting(Litmus):
    """A counter under whatever excludes; a subclass says what."""

    outcomes = (
        acceptable(2, "one after the other"),
        forbidden(OTHERS, "both were inside at once, and one increment was lost"),
    )

    def __init__(self) -> None:
        self.lock = self.make()
        self.count = 0

    def make(self) -> Any:
        raise NotImplementedError

    def inside(self) -> None:
        count = self.count
        self.count = count + 1

    @actor
    def first(self) -> None:
        with self.lock:
            self.inside()

    @actor
    def second(self) -> None:
        with self.lock:
            self.inside()

    @arbiter
    def total(self) -> object:
        return self.count


class LockExcludes(_Counting):
    """Lock: one thread at a time."""

    def make(self) -> Any:
        return ftlocks.Lock()


class RLockExcludes(_Counting):
    """RLock: one thread at a time, also inside."""

    def make(self) -> Any:
        return ftlocks.RLock()

    def inside(self) -> None:
        with self.lock:
            super().inside()


class SemaphoreExcludes(_Counting):
    """Semaphore(1): one thread at a time."""

    modules = ("ftlocks.semaphore",)

    def make(self) -> Any:
        return ftlocks.Semaphore(1)


class WriteLockExcludes(_Counting):
    """RWLock: one writer at a time."""

    modules = ("ftlocks.rwlock",)

    def make(self) -> Any:
        return ftlocks.RWLock()

    @actor
    def first(self) -> None:
        with self.lock.write():
            self.inside()

    @actor
    def second(self) -> None:
        with self.lock.write():
            self.inside()


class KeyedLockExcludes(_Counting):
    """KeyedLock: one thread at a time for equal keys, whichever objects these are."""

    modules = ("ftlocks.keyed",)

    def make(self) -> Any:
        return ftlocks.KeyedLock[str]()

    @actor
    def first(self) -> None:
        with self.lock.hold("key"):
            self.inside()

    @actor
    def second(self) -> None:
        with self.lock.hold("".join(["k", "ey"])):
            self.inside()


class StripedLockExcludes(_Counting):
    """StripedLock: one thread at a time for equal keys."""

    def make(self) -> Any:
        return ftlocks.StripedLock[str](4)

    @actor
    def first(self) -> None:
        with self.lock["key"]:
            self.inside()

    @actor
    def second(self) -> None:
        with self.lock["".join(["k", "ey"])]:
            self.inside()


class ReaderSeesNoHalf(Litmus):
    """RWLock: a reader sees all that a writer did, or nothing."""

    modules = ("ftlocks.rwlock",)
    outcomes = (
        acceptable((0, 0), "the reader came first"),
        acceptable((1, 1), "the writer came first"),
        forbidden(OTHERS, "the reader was inside together with the writer"),
    )

    def __init__(self) -> None:
        self.lock = self.make()
        self.left = self.right = 0
        self.seen: tuple[int, int] = (-1, -1)

    def make(self) -> Any:
        return ftlocks.RWLock()

    @actor
    def writer(self) -> None:
        with self.lock.write():
            self.left = 1
            self.right = 1

    @actor
    def reader(self) -> None:
        with self.lock.read():
            self.seen = (self.left, self.right)

    @arbiter
    def what_was_seen(self) -> object:
        return self.seen


class EventPublishes(Litmus):
    """Event: what was done before `set` is seen after `wait`, and nobody sleeps on."""

    modules = ("ftlocks.event",)
    outcomes = (acceptable((None, 42), "seen"), forbidden(OTHERS, "not seen, or not woken"))

    def __init__(self) -> None:
        self.event = self.make()
        self.value = 0

    def make(self) -> Any:
        return ftlocks.Event()

    @actor
    def setter(self) -> None:
        self.value = 42
        self.event.set()

    @actor
    def waiter(self) -> object:
        self.event.wait()
        return self.value


class ConditionWakes(Litmus):
    """Condition: a notification is not lost between the look and the sleep."""

    modules = ("ftlocks.condition",)
    outcomes = (acceptable((None, True), "woken"), forbidden(OTHERS, "it sleeps on"))

    def __init__(self) -> None:
        self.condition = self.make()
        self.is_ready = False

    def make(self) -> Any:
        return ftlocks.Condition()

    @actor
    def notifier(self) -> None:
        with self.condition:
            self.is_ready = True
            self.condition.notify()

    @actor
    def waiter(self) -> object:
        with self.condition:
            while not self.is_ready:
                self.condition.wait()
            return self.is_ready


class BarrierOrders(Litmus):
    """Barrier: what each did before is seen by all after."""

    modules = ("ftlocks.condition",)
    outcomes = (acceptable((1, 1), "both saw the other"), forbidden(OTHERS, "one left early"))

    def __init__(self) -> None:
        self.barrier = self.make()
        self.left = self.right = 0

    def make(self) -> Any:
        return ftlocks.Barrier(2)

    @actor
    def one(self) -> object:
        self.left = 1
        self.barrier.wait()
        return self.right

    @actor
    def other(self) -> object:
        self.right = 1
        self.barrier.wait()
        return self.left


class OnceRunsOnce(Litmus):
    """Once: the function runs once, and all get what it made."""

    modules = ("ftlocks.once",)
    outcomes = (
        acceptable((1, 1), "one ran it, both have its result"),
        forbidden(OTHERS, "it ran twice"),
    )

    def __init__(self) -> None:
        self.once = self.make()
        self.runs: list[int] = []

    def make(self) -> Any:
        return ftlocks.Once[int]()

    def count(self) -> int:
        self.runs.append(1)
        return len(self.runs)

    @actor
    def one(self) -> object:
        return self.once.call(self.count)

    @actor
    def other(self) -> object:
        return self.once.call(self.count)


class ChannelGivesOnce(Litmus):
    """Channel: an item goes to one of those who ask."""

    modules = ("ftlocks.channel",)
    outcomes = (
        acceptable((1, 0), "left has it"),
        acceptable((0, 1), "right has it"),
        forbidden(OTHERS, "both have it, or it is lost"),
    )

    def __init__(self) -> None:
        self.channel = self.make()
        self.channel.put("item")

    def make(self) -> Any:
        return ftlocks.Channel[str](2)

    def take(self) -> int:
        try:
            self.channel.get_nowait()
        except ftlocks.WouldBlockError:
            return 0
        return 1

    @actor
    def left(self) -> object:
        return self.take()

    @actor
    def right(self) -> object:
        return self.take()


class ChannelCloses(Litmus):
    """Channel: beside `close`, an item is sent, or its sender is told that it is not."""

    modules = ("ftlocks.channel",)
    outcomes = (
        acceptable(("sent", 1), "it was sent before the channel was closed"),
        acceptable(("refused", 0), "the channel was closed first"),
        forbidden(OTHERS, "the sender was told the opposite of what happened"),
    )

    def __init__(self) -> None:
        self.channel = self.make()

    def make(self) -> Any:
        return ftlocks.Channel[str](1)

    @actor
    def sender(self) -> object:
        try:
            self.channel.put("item")
        except ftlocks.ClosedError:
            return "refused"
        return "sent"

    @actor
    def closer(self) -> None:
        self.channel.close()

    @arbiter
    def arrived(self, told: object, _: object) -> object:
        return told, len(list(self.channel))


class DictUpdates(Litmus):
    """ConcurrentDict: no update is lost."""

    modules = ("ftlocks.mapping",)
    outcomes = (acceptable(2, "both updates"), forbidden(OTHERS, "an update was lost"))

    def __init__(self) -> None:
        self.table = self.make()

    def make(self) -> Any:
        return ftlocks.ConcurrentDict[str, int]()

    def add(self) -> None:
        self.table.update_with("key", lambda value: value + 1, 0)

    @actor
    def first(self) -> None:
        self.add()

    @actor
    def second(self) -> None:
        self.add()

    @arbiter
    def total(self) -> object:
        return self.table["key"]


class DictCreatesOnce(Litmus):
    """ConcurrentDict: of two that create a key, one does, and both get the same."""

    modules = ("ftlocks.mapping", "ftlocks.keyed")
    outcomes = (acceptable((1, 1), "one factory ran"), forbidden(OTHERS, "both ran"))

    def __init__(self) -> None:
        self.table = self.make()
        self.runs: list[int] = []

    def make(self) -> Any:
        return ftlocks.ConcurrentDict[str, int]()

    def create(self) -> int:
        self.runs.append(1)
        return len(self.runs)

    @actor
    def first(self) -> object:
        return self.table.get_or_create("key", self.create)

    @actor
    def second(self) -> object:
        return self.table.get_or_create("key", self.create)


class CacheComputesOnce(Litmus):
    """SingleFlightCache: of two that miss, one computes, and the other waits for it."""

    modules = ("ftlocks.cache", "ftlocks.keyed")
    outcomes = (acceptable((1, 1), "one computation"), forbidden(OTHERS, "two"))

    def __init__(self) -> None:
        self.cache = self.make()
        self.runs: list[int] = []

    def make(self) -> Any:
        return ftlocks.SingleFlightCache[str, int](4)

    def compute(self, key: str) -> int:
        self.runs.append(1)
        return len(self.runs)

    @actor
    def first(self) -> object:
        return self.cache.get("key", self.compute)

    @actor
    def second(self) -> object:
        return self.cache.get("key", self.compute)


class CounterKeepsAll(Litmus):
    """ShardedCounter: once all have ended, the sum is right."""

    modules = ("ftlocks.counter",)
    outcomes = (acceptable(3, "all of it"), forbidden(OTHERS, "an addition was lost"))

    def __init__(self) -> None:
        self.counter = self.make()

    def make(self) -> Any:
        return ftlocks.ShardedCounter()

    @actor
    def first(self) -> None:
        self.counter.add(1)

    @actor
    def second(self) -> None:
        self.counter.add(2)

    @arbiter
    def total(self) -> object:
        return self.counter.value()


class LocalIsOwn(Litmus):
    """ThreadLocal: each thread has its own."""

    modules = ("ftlocks.local",)
    outcomes = (acceptable((1, 2), "own values"), forbidden(OTHERS, "another thread's value"))

    def __init__(self) -> None:
        self.local = self.make()

    def make(self) -> Any:
        return ftlocks.ThreadLocal[int](int)

    @actor
    def one(self) -> object:
        self.local.set(1)
        return self.local.get()

    @actor
    def other(self) -> object:
        self.local.set(2)
        return self.local.get()
