"""A bounded queue that can be closed, in the order of arrival on both sides.

`queue.Queue` has no end: whoever waits for an item that nobody will put waits for ever. Here
`close()` lets the readers take what is left and then tells them. An item is handed from thread to
thread under the inner lock. Must never run a caller's code with it held.
"""

import threading
from _thread import get_ident
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter_ns as clock
from types import TracebackType
from typing import Any, Self, cast

from ftlocks import _records
from ftlocks._base import Queued, Regulars
from ftlocks._records import LockState, Waiter
from ftlocks.errors import AcquireTimeoutError, ClosedError, WouldBlockError
from ftlocks.statistics import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatistics:
    """A channel's figures. Times are of the puts and gets that had to wait, in nanoseconds."""

    name: str
    size: int
    capacity: int | None
    closed: bool
    putting: int
    getting: int
    puts: int
    gets: int
    put_waits: int
    put_wait_total_ns: int
    put_wait_max_ns: int
    get_waits: int
    get_wait_total_ns: int
    get_wait_max_ns: int


class _ItemWaiter(Waiter):
    """Carries the item that it wants to put, or the one that it was given."""

    __slots__ = ("item",)

    item: Any


class Channel[T](Queued):
    """Items from any threads to any threads, at most `capacity` of them under way.

    Happens-before: what a thread did before `put()` happens before the `get()` that returns that
    item returns. In a channel of capacity C, the n-th `get()` happens before the (n+C)-th `put()`
    returns. `close()` happens before every `ClosedError` that tells of it.

    Fairness: first come, first served, among those who put and among those who get; items keep
    their order.

    After `close()`, `put()` raises `ClosedError` at once, also in threads that wait in it (their
    items are not sent); `get()` does so once nothing is left. A block ``with channel:`` closes it.

    Args:
        capacity: items under way at most, at least 1; None for no limit.
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
    """

    __slots__ = (
        "_capacity",
        "_closed",
        "_closer",
        "_get_tally",
        "_getters",
        "_got",
        "_items",
        "_put_by",
    )

    def __init__(self, capacity: int | None = 1, name: str = "") -> None:
        if capacity is not None and capacity < 1:
            raise ValueError(f"capacity must be at least 1, or None, got {capacity!r}")
        super().__init__()  # whose queue and tally are those of put()
        self._capacity = capacity
        self._closed = False
        self._closer = ""  # name of the thread that closed it
        self._items: deque[T] = deque()
        # Who has ever put, and who has got: those who may be expected to do so again.
        self._put_by = Regulars()
        self._got = Regulars()
        self._getters: deque[Waiter] = deque()
        self._get_tally = Tally()
        self._register(name)

    def put(self, item: T, timeout: float | None = None) -> None:
        """Send `item`, waiting for room.

        Raises:
            AcquireTimeoutError: there was no room within `timeout` seconds.
            ClosedError: the channel is closed, or was closed meanwhile.
        """
        waiter = self._put(item, wait=timeout is None or timeout > 0)
        if waiter is not None and not (waiter.gate and self._park(waiter, timeout)):
            raise AcquireTimeoutError(
                f"{self._described()} was still full ({self._capacity} items) after {timeout:g} s"
            )

    def put_nowait(self, item: T) -> None:
        """Send `item`. `WouldBlockError` when the channel is full, `ClosedError` when closed."""
        waiter = self._put(item, wait=False)
        if waiter is not None:
            raise WouldBlockError(f"{self._described()} is full ({self._capacity} items)")

    def get(self, timeout: float | None = None) -> T:
        """The next item, waiting for one.

        Raises:
            AcquireTimeoutError: there was none within `timeout` seconds.
            ClosedError: the channel is closed and nothing is left.
        """
        item, waiter = self._get(wait=timeout is None or timeout > 0)
        if waiter is not None:
            if not (waiter.gate and self._park(waiter, timeout)):
                raise AcquireTimeoutError(
                    f"{self._described()} was still empty after {timeout:g} s"
                )
            item = waiter.item
        return cast("T", item)

    def get_nowait(self) -> T:
        """The next item. `WouldBlockError` when there is none, `ClosedError` when none will be."""
        item, waiter = self._get(wait=False)
        if waiter is not None:
            raise WouldBlockError(f"{self._described()} is empty")
        return cast("T", item)

    def __iter__(self) -> Iterator[T]:
        """Items until the channel is closed and nothing is left."""
        while True:
            try:
                item = self.get()
            except ClosedError:
                return
            yield item

    def close(self) -> None:
        """No more items; closing again is no error."""
        name = threading.current_thread().name
        with self._mutex:
            if not self._closed:
                self._closer = name
            self._closed = True
            woken = [*self._queue, *self._getters]
            self._queue.clear()
            self._getters.clear()  # nobody waits in get() while there are items
        for waiter in woken:
            waiter.interrupt(self._closed_error(f"wait to {waiter.mode} any longer", waiter.thread))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed; there may still be items."""
        return self._closed

    def __len__(self) -> int:
        """How many items are under way."""
        return len(self._items)

    def statistics(self) -> ChannelStatistics:
        """The figures at one moment; always kept."""
        with self._mutex:
            return ChannelStatistics(
                name=self._info.name,
                size=len(self._items),
                capacity=self._capacity,
                closed=self._closed,
                putting=len(self._queue),
                getting=len(self._getters),
                puts=self._tally.acquisitions,
                gets=self._get_tally.acquisitions,
                put_waits=self._tally.contentions,
                put_wait_total_ns=self._tally.wait_total_ns,
                put_wait_max_ns=self._tally.wait_max_ns,
                get_waits=self._get_tally.contentions,
                get_wait_total_ns=self._get_tally.wait_total_ns,
                get_wait_max_ns=self._get_tally.wait_max_ns,
            )

    def __repr__(self) -> str:
        room = "unbounded" if self._capacity is None else f"of {self._capacity}"
        state = f"{len(self._items)} {room}"
        for verb, queue in (("putting", self._queue), ("getting", self._getters)):
            if queue:
                state += f" {verb}={len(queue)}"
        return self._repr(state + (" closed" if self._closed else ""))

    def _put(self, item: T, *, wait: bool) -> _ItemWaiter | None:
        """None when the item is under way; else a waiter, in the queue if `wait`."""
        with self._mutex:
            if self._closed:
                raise self._closed_error("put")
            self._put_by.came(get_ident())
            if self._getters:
                getter = self._getters.popleft()
                self._give(getter, item)
                self._tally.acquisitions += 1
            elif self._capacity is None or len(self._items) < self._capacity:
                self._items.append(item)
                self._tally.acquisitions += 1
                return None
            else:
                waiter = _ItemWaiter("put", clock(), gated=wait)
                waiter.item = item
                if wait:
                    self._queue.append(waiter)
                return waiter
        getter.wake()
        return None

    def _get(self, *, wait: bool) -> tuple[T | None, _ItemWaiter | None]:
        """An item and None; or None and a waiter, in the queue if `wait`."""
        putter: Waiter | None = None
        with self._mutex:
            self._got.came(get_ident())
            if self._items:
                item = self._items.popleft()
                self._get_tally.acquisitions += 1
                if not self._queue:
                    return item, None
                putter = self._queue.popleft()
                self._items.append(putter.item)  # type: ignore[attr-defined]
                self._admit(putter)
            elif self._closed:
                raise self._closed_error("get")
            else:
                waiter = _ItemWaiter("get", clock(), gated=wait)
                if wait:
                    self._getters.append(waiter)
                return None, waiter
        putter.wake()
        return item, None

    def _give(self, getter: Waiter, item: T) -> None:
        getter.item = item  # type: ignore[attr-defined]
        getter.granted = True
        self._get_tally.acquisitions += 1
        self._get_tally.contended(clock() - getter.since_ns)

    def _tally_for(self, waiter: Waiter) -> Tally:
        return self._tally if waiter.mode == "put" else self._get_tally

    def _leave_queue(self, waiter: Waiter) -> None:
        queue = self._queue if waiter.mode == "put" else self._getters
        if waiter in queue:
            queue.remove(waiter)

    def _undo(self, waiter: Waiter) -> None:
        """An item handed to a thread that an exception has reached goes back to the front."""
        if waiter.mode == "put":
            return
        item: T = waiter.item  # type: ignore[attr-defined]
        with self._mutex:
            self._get_tally.acquisitions -= 1
            other = self._getters.popleft() if self._getters else None
            if other is None:
                self._items.appendleft(item)
            else:
                self._give(other, item)
        if other is not None:
            other.wake()

    def _closed_error(self, what: str, thread: threading.Thread | None = None) -> ClosedError:
        name = (thread or threading.current_thread()).name
        empty = " and nothing is left in it" if what == "get" else ""
        return ClosedError(
            f"thread {name!r} cannot {what}: thread {self._closer!r} has closed "
            f"{self._described()}{empty}"
        )

    def _states(self) -> list[LockState]:
        found = [
            LockState(self._info, None, (), _records.waiting(queue), expected=regulars.known())
            for queue, regulars in ((self._queue, self._got), (self._getters, self._put_by))
        ]
        # Seldom both sides wait: when one picture has them before and after something came.
        return [state for state in found if state.waiters] or found[:1]
