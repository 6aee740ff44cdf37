"""`ThreadSafeAdapter`: one instance that all handler threads share.

A lock or a cache protects and serves only if all requests see the same one. The incumbent keeps
them in per-request instances, where they do nothing; here the locks belong to the class and the
instance to the process. Must never import the host.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, ClassVar, Self, cast
from uuid import uuid4

from ftbridge.adapters.base import SURROUNDINGS, BaseAdapter, Lifetime
from ftbridge.adapters.context import CURRENT, SessionContext
from ftbridge.adapters.locks import AdapterLocks
from ftbridge.adapters.tracking import RequestTracker
from ftlocks import ThreadLocal


class _Tracked:
    """One piece of work, counted from entry to exit."""

    __slots__ = ("_request_id", "_tracker")

    def __init__(self, tracker: RequestTracker, request_id: str | None) -> None:
        self._tracker = tracker
        self._request_id = request_id

    def __enter__(self) -> str:
        self._tracker.begin()
        return self._request_id or uuid4().hex

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tracker.end()


def new_storage(adapter_class: type) -> ThreadLocal[dict[str, Any]]:
    """What `get_thread_local()` reads: a dict for each thread."""
    return ThreadLocal(dict, name=f"{adapter_class.__qualname__} thread-local storage")


class ThreadSafeAdapter(BaseAdapter):
    """Tools that run on many threads at once, on one shared instance.

    `__init__` and `setup()` run once per process, `teardown()` once at its end; `initialize()` and
    `cleanup()`, where defined, around every request, on the shared instance. Declare
    `__thread_safe__ = True` in the subclass: without it a threaded server refuses the adapter.
    `__lifetime__` (see `BaseAdapter`) gives each thread or each request an instance of its own;
    locks, thread-local storage and counts stay common to all, and `setup()` and `teardown()` then
    run for each instance.

    What is written in `__init__` and only read afterwards needs no lock; what requests change does
    (`acquire_lock()`); what a thread may keep to itself does not (`get_thread_local()`).
    """

    __lifetime__: ClassVar[Lifetime] = "process"

    # Each subclass has its own.
    _ft_locks: ClassVar[AdapterLocks] = AdapterLocks("ThreadSafeAdapter")
    _ft_locals: ThreadLocal[dict[str, Any]]
    _ft_tracker: RequestTracker

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._ft_locks = AdapterLocks(cls.__name__)

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        self = super().__new__(cls)
        surroundings = SURROUNDINGS.get()
        storage = surroundings.storage
        self._ft_locals = new_storage(cls) if storage is None else storage
        self._ft_tracker = surroundings.tracker or RequestTracker()
        return self

    @property
    def session_context(self) -> SessionContext:
        """The context of the request that this thread serves; None outside a request.

        Setting it changes what the current request sees, and nothing after it.
        """
        return cast("SessionContext", CURRENT.get())

    @session_context.setter
    def session_context(self, context: SessionContext | None) -> None:
        CURRENT.set(context)

    def acquire_lock(
        self, name: str | None = None, timeout: float | None = None
    ) -> AbstractContextManager[bool]:
        """A context manager that holds a lock of this adapter class: `with self.acquire_lock():`.

        Without a name it is the class's own lock; each name is another, made on first use, of which
        this is the write side. All instances of the class share them. Reentrant. `timeout` is in
        seconds; `LockTimeoutError` is raised on entry when it runs out. Take several in one order
        everywhere, or two threads may wait for each other; `@thread_safe_method(writes=[...])` does
        so by itself. Locks are called "<class>" and "<class>.<name>" wherever they are reported.

        Happens-before: leaving the block happens before the next entry of a block on the same
        lock, so its writes are seen there. Fairness: `ftlocks.RLock`'s; from the first
        `acquire_read_lock(name)` on, that lock is an `ftlocks.RWLock`, where those who wait to
        write go before new readers, and costs several times as much.
        """
        if name is None:
            return self._ft_locks.exclusive(timeout)
        return self._ft_locks.write(name, timeout)

    def acquire_read_lock(
        self, name: str, timeout: float | None = None
    ) -> AbstractContextManager[bool]:
        """A context manager that shares a named lock with other readers, and keeps writers out.

        Reentrant, also inside the write side. A thread that reads cannot begin to write:
        `acquire_lock(name)` then raises `ftlocks.UpgradeError`, since two that did so would wait
        for each other. Worth its price where reading takes long compared with a microsecond.

        Happens-before: leaving a write block happens before the entry of a later read block, and
        leaving a read block before the entry of a later write block. Two read blocks are not
        ordered.
        """
        return self._ft_locks.read(name, timeout)

    def acquire_write_lock(
        self, name: str, timeout: float | None = None
    ) -> AbstractContextManager[bool]:
        """`acquire_lock(name)`, under the name that goes with `acquire_read_lock`."""
        return self._ft_locks.write(name, timeout)

    def get_thread_local(self, key: str, default: Any = None) -> Any:
        """This thread's value for `key`, or `default` (which is not stored)."""
        return self._ft_locals.get().get(key, default)

    def set_thread_local(self, key: str, value: Any) -> None:
        """Keep `value` for this thread alone, until it is cleared or the thread ends."""
        self._ft_locals.get()[key] = value

    def clear_thread_local(self, key: str | None = None) -> None:
        """Forget this thread's value for `key`, or all of this thread's values."""
        values = self._ft_locals.get()
        if key is None:
            values.clear()
        else:
            values.pop(key, None)

    def track_request(self, request_id: str | None = None) -> AbstractContextManager[str]:
        """Count a piece of work of one's own among the requests of `get_stats()`.

        Entering gives `request_id`, or a new random one.
        """
        return _Tracked(self._ft_tracker, request_id)

    def get_stats(self) -> Mapping[str, Any]:
        """Counts of requests: `total_requests`, `total_active_requests`, `active_threads` and
        `threads_seen`; the same once more under `tracker`, beside `adapter_class` and
        `thread_safe`, where adapters written for the incumbent look.
        """
        counts = self._ft_tracker.statistics()
        return {
            "adapter_class": type(self).__name__,
            "thread_safe": bool(self.__thread_safe__),
            "tracker": counts,
            **counts,
        }
