"""`Event`: `threading.Event`, with a name and statistics.

`is_set()` and a `wait()` for an event that is set take no lock, so that many threads may ask in a
loop. Must never clear its flag on its own.
"""

from dataclasses import dataclass
from time import perf_counter_ns as clock

from ftlocks._base import Queued
from ftlocks._records import Waiter


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStatistics:
    """An event's figures; the waits are those that had to wait."""

    name: str
    is_set: bool
    waiting: int
    waits: int
    wait_total_ns: int
    wait_max_ns: int


class Event(Queued):
    """A flag that threads wait for.

    Happens-before: a `set()` happens before every `wait()` that it lets through returns, and before
    every `is_set()` that sees it. `clear()` orders nothing.

    Fairness does not apply: `set()` lets all through that wait at that moment, also when the event
    is cleared before they run.

    Args:
        name: shown in reprs, errors and profiles; without one, the place where it was made is.
    """

    __slots__ = ("_flag",)

    _mode = "event"

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self._flag = False
        self._register(name)

    def is_set(self) -> bool:
        """Whether it is set now."""
        return self._flag

    def set(self) -> None:
        """Set it, and let all through that wait."""
        with self._mutex:
            self._flag = True
            woken = list(self._queue)
            self._queue.clear()
            for waiter in woken:
                self._admit(waiter)
        for waiter in woken:
            waiter.wake()

    def clear(self) -> None:
        """Unset it: who asks from now on has to wait."""
        with self._mutex:
            self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; False when `timeout` seconds were not enough, else True."""
        is_set = self._flag
        if is_set:
            return True
        with self._mutex:
            if self._flag:
                return True
            if timeout is not None and timeout <= 0:
                return False
            waiter = Waiter(self._mode, clock(), gated=True, timeout=timeout)
            self._queue.append(waiter)
        return self._park(waiter, timeout)

    def statistics(self) -> EventStatistics:
        """The figures at one moment; always kept."""
        with self._mutex:
            return EventStatistics(
                name=self._info.name,
                is_set=self._flag,
                waiting=len(self._queue),
                waits=self._tally.contentions,
                wait_total_ns=self._tally.wait_total_ns,
                wait_max_ns=self._tally.wait_max_ns,
            )

    def __repr__(self) -> str:
        waiting = len(self._queue)
        state = "set" if self._flag else "unset"
        return self._repr(state + (f" waiting={waiting}" if waiting else ""))
