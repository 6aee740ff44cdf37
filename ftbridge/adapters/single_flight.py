"""A value that is loaded once, however many threads ask for it at the same time.

The first thread that asks loads it; threads that come meanwhile wait for that load and share its
outcome. A value is kept, a failure is not: whoever asks after a failed load starts another one.
Knows nothing of what is loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast


class _Flight[T]:
    """One load under way. `value` or `error` is set before `landed` is."""

    __slots__ = ("error", "landed", "value")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None


class SingleFlight[T]:
    """Loads one value. Every method may be called from any thread.

    Happens-before: what the loading thread did before its ``load`` returned happens before every
    `get` that returns that value. Waiters are not ordered: they share one outcome.
    """

    __slots__ = ("_done", "_flight", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None
        # A flight that landed with a value, seen without the lock: one reference, stored whole.
        self._done: _Flight[T] | None = None

    def peek(self) -> T | None:
        """The value if there is one now; never waits and never loads."""
        done = self._done
        return None if done is None else done.value

    def get(self, load: Callable[[], T], *, timeout: float | None = None) -> T:
        """The value, loaded by this thread or by the one that is at it.

        Args:
            load: called by at most one thread at a time. It must not ask for the same value.
            timeout: seconds to wait for another thread's load; how long this thread's own may
                take is up to ``load``.

        Raises:
            TimeoutError: another thread's load took longer than ``timeout``.
            Exception: what ``load`` raised, on this thread and on all that waited for it.
        """
        while True:
            done = self._done
            if done is not None:
                return cast("T", done.value)
            with self._lock:
                flight = self._done or self._flight  # it may have landed meanwhile
                if flight is None:
                    mine = self._flight = _Flight()
            if flight is None:
                return self._fly(mine, load)
            if not flight.landed.wait(timeout):
                raise TimeoutError(f"another thread is still loading after {timeout:g} s")
            if flight.error is None:
                return cast("T", flight.value)
            if isinstance(flight.error, Exception):
                raise flight.error
            # What ended that thread (SystemExit, say) is its own affair: load anew.

    def forget(self) -> None:
        """Load anew when next asked. A load that is under way still serves those that wait."""
        with self._lock:
            self._done = None
            self._flight = None

    def _fly(self, flight: _Flight[T], load: Callable[[], T]) -> T:
        try:
            value = flight.value = load()
        except BaseException as error:
            flight.error = error
            with self._lock:
                if self._flight is flight:
                    self._flight = None
            raise
        else:
            with self._lock:
                if self._flight is flight:
                    self._flight = None
                    self._done = flight
            return value
        finally:
            flight.landed.set()
