"""A value that is computed once, by one thread, while the others wait for it.

Two threads that find something missing and both make it waste work at best. A flag beside the value
is not enough either: the value must be complete before the flag is seen. Must never keep a failure:
what went wrong once may go right the next time.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns as clock
from typing import NoReturn, cast

from ftlocks._base import PUBLIC
from ftlocks.errors import AcquireTimeoutError, LockMisuseError, WouldBlockError
from ftlocks.mutex import RLock
from ftlocks.statistics import Owner


class _Absent:
    """The value before there is one."""


_ABSENT = _Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceStatistics:
    """How a `Once` or a `Lazy` came to its value.

    `computing` is the thread that is at it now, `failures` counts the computations that raised,
    `compute_ns` is how long the one that succeeded took.
    """

    name: str
    done: bool
    computing: Owner | None
    failures: int
    compute_ns: int


class Once[T]:
    """Runs a function once, successfully, and gives its result to everybody.

    Happens-before: the return of the function that succeeded happens before every `call()` returns,
    and before `done` is seen true.

    Fairness: none. When the function raises, that thread gets the exception and one of those that
    wait, any of them, tries next.

    Once there is a result, a call takes no lock.

    Args:
        name: of the lock that the others wait for, wherever locks are reported.
    """

    __slots__ = ("__weakref__", "_compute_ns", "_failures", "_lock", "_value")

    def __init__(self, name: str = "") -> None:
        # Reentrant so that a function that asks for its own result is found out.
        self._lock = RLock(name)
        self._value: T | _Absent = _ABSENT
        self._failures = 0
        self._compute_ns = 0

    @property
    def done(self) -> bool:
        """Whether there is a result."""
        return self._value is not _ABSENT

    def call(self, function: Callable[[], T], timeout: float | None = None) -> T:
        """The result: of `function()`, called now, or of the one that was called first.

        Args:
            timeout: seconds to wait for another thread's computation; None waits for ever.

        Raises:
            AcquireTimeoutError: another thread is still computing.
            LockMisuseError: this thread is, and the function asks for its own result.
        """
        value = self._value
        if value is not _ABSENT:
            return cast("T", value)
        if not self._lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise AcquireTimeoutError(
                f"{self._described()} was still being computed{self._by()} after {timeout:g} s"
            )
        return self._compute(function)

    def call_nowait(self, function: Callable[[], T]) -> T:
        """As `call()`; `WouldBlockError` where another thread is computing."""
        value = self._value
        if value is not _ABSENT:
            return cast("T", value)
        if not self._lock.acquire(False):
            raise WouldBlockError(f"{self._described()} is being computed{self._by()}")
        return self._compute(function)

    def peek[D](self, default: D) -> T | D:
        """The result, or `default` while there is none; never waits."""
        value = self._value
        return default if value is _ABSENT else cast("T", value)

    def statistics(self) -> OnceStatistics:
        """The figures now."""
        lock = self._lock.statistics()
        return OnceStatistics(
            name=self._lock.name,
            done=self.done,
            computing=lock.owner,
            failures=self._failures,
            compute_ns=self._compute_ns,
        )

    def __repr__(self) -> str:
        if self.done:
            state = f"{self._value!r}"
        else:
            state = f"being computed{self._by()}" if self._lock.locked() else "not computed yet"
        label = f" {self._lock.name!r}" if self._lock.name else ""
        return f"<{PUBLIC}.{type(self).__qualname__}{label} at {id(self):#x}: {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r}: its meaning is identity")

    def _compute(self, function: Callable[[], T]) -> T:
        """Called with the lock held, which it releases."""
        try:
            value = self._value
            if value is not _ABSENT:
                return cast("T", value)
            if self._lock._recursion_count() > 1:
                raise LockMisuseError(
                    f"the function that computes {self._described()} asks for its own result, on "
                    f"thread {threading.current_thread().name!r}"
                )
            started = clock()
            try:
                result = function()
            except BaseException:
                self._failures += 1
                raise
            self._compute_ns = clock() - started
            self._value = result
            return result
        finally:
            self._lock.release()

    def _described(self) -> str:
        return f"{type(self).__name__} {self._lock._info.label!r}"

    def _by(self) -> str:
        owner = self._lock._owner()
        return "" if owner is None else f" by thread {owner}"


class Lazy[T](Once[T]):
    """A value made by `factory()` when somebody first asks for it: a `Once` with its function.

    Happens-before, fairness and failures are those of `Once`.
    """

    __slots__ = ("_factory",)

    def __init__(self, factory: Callable[[], T], name: str = "") -> None:
        super().__init__(name)
        self._factory = factory

    def get(self, timeout: float | None = None) -> T:
        """The value. `AcquireTimeoutError` when another thread takes longer than `timeout` s."""
        value = self._value
        if value is not _ABSENT:
            return cast("T", value)
        return self.call(self._factory, timeout)

    def get_nowait(self) -> T:
        """The value; `WouldBlockError` where another thread is making it."""
        return self.call_nowait(self._factory)
