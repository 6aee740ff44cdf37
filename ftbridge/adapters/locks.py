"""The locks of an adapter class: one of its own, and any number by name.

The class's own is an `ftlocks.RLock`, as cheap as a lock can be. A named one has a read side and a
write side: `acquire_lock("ledger")`, `acquire_write_lock("ledger")` and
`@thread_safe_method(writes="ledger")` are the same side of the same lock, or a reader would not
keep them out. Must never know an adapter.
"""

from contextlib import AbstractContextManager
from types import TracebackType

from ftbridge.adapters.errors import LockTimeoutError
from ftlocks import RLock, RWLock


class _Timed:
    """The class's own lock, waited for no longer than `timeout` seconds."""

    __slots__ = ("_lock", "_timeout")

    def __init__(self, lock: RLock, timeout: float) -> None:
        self._lock = lock
        self._timeout = timeout

    def __enter__(self) -> bool:
        if not self._lock.acquire(timeout=self._timeout):
            raise LockTimeoutError(f"No entry to {self._lock!r} within {self._timeout:g} s")
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()


class _Side:
    """One side of a named lock; entering gives True.

    Keeps no state of the block, so one such object serves all threads at once, and one thread
    again and again inside itself.
    """

    __slots__ = ("_lock", "_timeout", "_write")

    def __init__(self, lock: RWLock, *, write: bool, timeout: float | None = None) -> None:
        self._lock = lock
        self._write = write
        self._timeout = timeout

    @property
    def name(self) -> str:
        """What the lock is called where locks are reported."""
        return self._lock.name

    def within(self, timeout: float) -> "_Side":
        """The same side, waited for no longer than `timeout` seconds."""
        return _Side(self._lock, write=self._write, timeout=timeout)

    def __enter__(self) -> bool:
        lock = self._lock
        acquire = lock.acquire_write if self._write else lock.acquire_read
        if not acquire(timeout=self._timeout):
            side = "write" if self._write else "read"
            raise LockTimeoutError(f"No entry to {side} to {lock!r} within {self._timeout:g} s")
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._write:
            self._lock.release_write()
        else:
            self._lock.release_read()


class AdapterLocks:
    """All locks of one class; named ones are made when they are first asked for.

    Args:
        owner: the class's name. Locks are reported as "<owner>" and "<owner>.<name>".
    """

    __slots__ = ("_named", "_owner", "own")

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self.own = RLock(owner)
        # For each name both sides, reading first.
        self._named: dict[str, tuple[_Side, _Side]] = {}

    def exclusive(self, timeout: float | None) -> AbstractContextManager[bool]:
        """The class's own lock."""
        return self.own if timeout is None else _Timed(self.own, timeout)

    def side(
        self, name: str, *, write: bool, timeout: float | None
    ) -> AbstractContextManager[bool]:
        """One side of the lock `name`."""
        try:
            sides = self._named[name]  # not get(): ARCHITECTURE.md, decision 8
        except KeyError:
            lock = RWLock(f"{self._owner}.{name}")
            # Two threads may get here for one name: the first one's lock is everybody's.
            sides = self._named.setdefault(
                name, (_Side(lock, write=False), _Side(lock, write=True))
            )
        side = sides[write]
        return side if timeout is None else side.within(timeout)
