"""The locks of an adapter class: one of its own, and any number by name.

The class's own is an `ftlocks.RLock`, as cheap as a lock can be. A named one has a read side and a
write side: `acquire_lock("ledger")`, `acquire_write_lock("ledger")` and
`@thread_safe_method(writes="ledger")` are the same side of the same lock, or a reader would not
keep them out. Most named locks are never read, and readers make a lock several times dearer: so it
is an `RLock` until somebody asks for its read side. Must never know an adapter.
"""

from contextlib import AbstractContextManager
from time import monotonic
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


class _Named:
    """A named lock: `plain` until somebody reads, `shared` from then on.

    `shared` is made by a thread that holds `plain`, so nobody else is inside then, and whoever gets
    `plain` later finds it and goes there. The same thread may be inside: its blocks are carried
    over. In a profile the two are rows of their own, under one name.
    """

    __slots__ = ("name", "plain", "shared")

    def __init__(self, name: str) -> None:
        self.name = name
        self.plain = RLock(name)
        self.shared: RWLock | None = None

    def share(self, timeout: float | None) -> RWLock | None:
        """The lock with two sides; None when who writes now does not leave within `timeout`."""
        if self.shared is None:
            if not self.plain.acquire(timeout=-1 if timeout is None else timeout):
                return None
            try:
                if self.shared is None:
                    self._begin_sharing()
            finally:
                self.plain.release()
        return self.shared

    def _begin_sharing(self) -> None:
        shared = RWLock(self.name)
        blocks = self.plain._recursion_count() - 1  # that this thread is inside; one is ours
        for _ in range(blocks):
            shared.acquire_write()
        self.shared = shared
        for _ in range(blocks):
            self.plain.release()


class _Write:
    """The write side of a named lock; entering gives True.

    Keeps no state of the block, so one such object serves all threads at once, and one thread
    again and again inside itself.
    """

    __slots__ = ("_named", "_timeout")

    def __init__(self, named: _Named, timeout: float | None = None) -> None:
        self._named = named
        self._timeout = timeout

    @property
    def name(self) -> str:
        """What the lock is called where locks are reported."""
        return self._named.name

    def __enter__(self) -> bool:
        named = self._named
        timeout = self._timeout
        shared = named.shared
        if shared is None:
            if timeout is None:
                named.plain.acquire()
            else:
                until = monotonic() + timeout
                if not named.plain.acquire(timeout=timeout):
                    raise _too_late("write", named.plain, timeout)
                timeout = max(0.0, until - monotonic())
            shared = named.shared
            if shared is None:
                return True
            named.plain.release()
        if not shared.acquire_write(timeout=timeout):
            raise _too_late("write", shared, self._timeout)
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # It cannot have become shared in between, but by this thread, which carried the block over.
        shared = self._named.shared
        if shared is None:
            self._named.plain.release()
        else:
            shared.release_write()


class _Read:
    """The read side, likewise."""

    __slots__ = ("_named", "_timeout")

    def __init__(self, named: _Named, timeout: float | None = None) -> None:
        self._named = named
        self._timeout = timeout

    @property
    def name(self) -> str:
        """What the lock is called where locks are reported."""
        return self._named.name

    def __enter__(self) -> bool:
        named = self._named
        timeout = self._timeout
        shared = named.shared
        if shared is None:
            until = None if timeout is None else monotonic() + timeout
            shared = named.share(timeout)
            if shared is None:
                raise _too_late("read", named.plain, timeout)
            if until is not None:
                timeout = max(0.0, until - monotonic())
        if not shared.acquire_read(timeout=timeout):
            raise _too_late("read", shared, self._timeout)
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shared = self._named.shared
        assert shared is not None
        shared.release_read()


def _too_late(side: str, lock: RLock | RWLock, timeout: float | None) -> LockTimeoutError:
    return LockTimeoutError(f"No entry to {side} to {lock!r} within {timeout:g} s")


class AdapterLocks:
    """All locks of one class; named ones are made when they are first asked for.

    Args:
        owner: the class's name. Locks are reported as "<owner>" and "<owner>.<name>".
    """

    __slots__ = ("_named", "_owner", "own")

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self.own = RLock(owner)
        # For each name the lock and both its sides, reading first.
        self._named: dict[str, tuple[_Read, _Write, _Named]] = {}

    def exclusive(self, timeout: float | None) -> AbstractContextManager[bool]:
        """The class's own lock."""
        return self.own if timeout is None else _Timed(self.own, timeout)

    def read(self, name: str, timeout: float | None) -> AbstractContextManager[bool]:
        """The read side of the lock `name`."""
        try:
            found = self._named[name]  # not get(): ARCHITECTURE.md, decision 8
        except KeyError:
            found = self._make(name)
        return found[0] if timeout is None else _Read(found[2], timeout)

    def write(self, name: str, timeout: float | None) -> AbstractContextManager[bool]:
        """The write side of the lock `name`."""
        try:
            found = self._named[name]
        except KeyError:
            found = self._make(name)
        return found[1] if timeout is None else _Write(found[2], timeout)

    def _make(self, name: str) -> tuple[_Read, _Write, _Named]:
        named = _Named(f"{self._owner}.{name}")
        # Two threads may get here for one name: the first one's lock is everybody's.
        return self._named.setdefault(name, (_Read(named), _Write(named), named))
