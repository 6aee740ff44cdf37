"""A counter that many threads add to without meeting each other.

`n += 1` on a shared int loses updates, and a lock (or a single atomic word) makes every core wait
for the same cache line. Here each thread adds to a shard of its own; a reader adds the shards up.
Must never import anything but the standard library and `ftlocks.local`.
"""

from collections import deque
from dataclasses import dataclass
from threading import RLock

from ftlocks.local import ThreadLocal


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterStatistics:
    """`value` now, live threads with a share (`shards`), threads that ever had (`threads`)."""

    name: str
    value: int
    shards: int
    threads: int


class _Shard:
    __slots__ = ("amount", "folded")

    def __init__(self) -> None:
        self.amount = 0
        self.folded = False  # already part of the counter's base; guarded by the counter's lock


class ShardedCounter:
    """A sum that any thread may add to, at the price of a thread-local read.

    Happens-before: `value()` includes every `add()` that happened before it was called, by this
    thread, or by another one that has since synchronised with it (joined, released a lock that it
    took, ...). Additions that run at the same time may be included or not; none is ever lost or
    counted twice, so a counter that is only increased never appears to fall. What a thread added
    stays counted when it ends.

    `add()` waits for nobody. `value()` takes a lock that only readers and resets share; not fair.
    An `add()` inside a signal handler may be lost when it interrupts another one.
    """

    __slots__ = ("_base", "_lock", "_name", "_retired", "_shards")

    def __init__(self, *, name: str = "") -> None:
        self._name = name
        self._retired: deque[_Shard] = deque()
        self._shards = ThreadLocal(_Shard, finalizer=self._retired.append, name=name)
        # Reentrant, because a garbage collection under it may run code that reads this counter.
        self._lock = RLock()
        self._base = 0

    def __repr__(self) -> str:
        label = f" {self._name!r}" if self._name else ""
        return f"<ShardedCounter{label} value={self.value()} shards={len(self._shards)}>"

    def add(self, amount: int = 1) -> None:
        """Add `amount`, which may be negative, to the calling thread's share."""
        self._shards.get().amount += amount

    def value(self) -> int:
        """The sum over all threads, living and ended. Costs time linear in the live threads."""
        with self._lock:
            # Live shards first, retired ones second: a shard leaves the live ones only after it
            # has been retired, so in this order none is missed; `folded` keeps it from counting
            # twice.
            live = self._shards.values()
            while self._retired:
                shard = self._retired.popleft()
                shard.folded = True
                self._base += shard.amount
            return self._base + sum(shard.amount for shard in live if not shard.folded)

    def shares(self) -> dict[int, int]:
        """What each live thread has added so far, by thread ident: a snapshot."""
        return {ident: shard.amount for ident, shard in self._shards.items()}

    def statistics(self) -> CounterStatistics:
        """The figures now; each is exact, though they are read one after the other."""
        held = self._shards.statistics()
        return CounterStatistics(
            name=self._name, value=self.value(), shards=held.live, threads=held.created
        )
