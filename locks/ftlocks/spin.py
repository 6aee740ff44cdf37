"""A barrier that lets its parties go within a microsecond or so of each other.

`threading.Barrier` wakes its waiters one after the other, through a condition's lock: by the time
the last one runs, a short race is over. Here every party stays awake and polls, so that all cores
leave together. Must never be used where waiting may be long, except with a timeout: it burns CPU.
"""

import threading
import time
from dataclasses import dataclass
from typing import Final

# Polls between two looks at the clock, which also give the core away. A party that never yields
# would keep the last one from arriving where there are more parties than cores.
_POLLS_PER_YIELD: Final = 200


class BarrierTimeoutError(TimeoutError):
    """Some parties had not arrived at a `SpinBarrier` in time; it stays broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpinBarrierStatistics:
    """How many of `parties` spin now (`waiting`), and how many `rounds` were completed."""

    name: str
    parties: int
    waiting: int
    rounds: int
    broken: bool


class SpinBarrier:
    """Lets `parties` threads through once all of them have arrived; may be used again at once.

    Happens-before: what any party did before its `wait()` happens before every party's return
    from the same round's `wait()`. No fairness: parties leave in any order, all at once.

    Args:
        parties: how many threads meet, at least 1.
        timeout: seconds that a party waits for the others; None waits for ever.
        name: shown in reprs and errors.
    """

    __slots__ = ("_arrived", "_broken", "_lock", "_name", "_parties", "_round", "_timeout")

    def __init__(self, parties: int, timeout: float | None = 30.0, name: str = "") -> None:
        if parties < 1:
            raise ValueError(f"a barrier needs at least one party, got parties={parties!r}")
        self._parties = parties
        self._timeout = timeout
        self._lock = threading.Lock()  # taken to arrive, never while spinning
        self._name = name
        self._arrived = 0
        self._round = 0
        self._broken = False

    @property
    def parties(self) -> int:
        """How many threads meet here."""
        return self._parties

    @property
    def broken(self) -> bool:
        """Whether a party gave up waiting or `abort()` was called; no use mends that."""
        return self._broken

    def wait(self) -> int:
        """Spin until all parties have arrived; the order of arrival in this round, from 0.

        Raises `BarrierTimeoutError` when the others do not arrive in time, or when one of them
        has given up waiting, now or earlier.
        """
        with self._lock:
            self._raise_if_broken()
            mine = self._round
            arrived = self._arrived = self._arrived + 1
            if arrived == self._parties:
                self._arrived = 0
                self._round = mine + 1
                return arrived - 1
        limit = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            for _ in range(_POLLS_PER_YIELD):
                if self._round != mine:
                    return arrived - 1
            if self._broken or (limit is not None and time.monotonic() >= limit):
                self._give_up(mine)
                return arrived - 1
            time.sleep(0)

    def abort(self) -> None:
        """Break the barrier: whoever waits or comes to wait gets `BarrierTimeoutError`."""
        with self._lock:
            self._broken = True

    def statistics(self) -> SpinBarrierStatistics:
        """The figures at one moment."""
        with self._lock:
            return SpinBarrierStatistics(
                name=self._name,
                parties=self._parties,
                waiting=0 if self._broken else self._arrived,
                rounds=self._round,
                broken=self._broken,
            )

    def __repr__(self) -> str:
        label = f" {self._name!r}" if self._name else ""
        state = "broken" if self._broken else f"{self._arrived} of {self._parties} arrived"
        return f"<ftlocks.{type(self).__qualname__}{label} {state}>"

    def _give_up(self, mine: int) -> None:
        """Break the barrier, unless the last party has arrived since the last poll."""
        with self._lock:
            if self._round != mine:
                return
            self._broken = True
            self._raise_if_broken()

    def _raise_if_broken(self) -> None:
        if self._broken:
            raise BarrierTimeoutError(
                f"not all of {self._parties} parties arrived at the barrier"
                + (f" {self._name!r}" if self._name else "")
                + ("" if self._timeout is None else f" within {self._timeout:g} s")
                + "; start as many threads as it has parties, or allow more time"
            )
