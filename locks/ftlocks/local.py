"""A value per thread, made by a factory, that can be counted and looked at from outside.

`threading.local` is the storage, because only it is emptied by the interpreter while a thread
ends; a dictionary keyed by thread ident would hand the value of a dead thread to a new one that
got its ident. Beside it stands a registry of weak references, which makes the live values
enumerable without being on the way of a read. Must never import anything but the standard library.
"""

import threading
import weakref
from _thread import allocate_lock
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLocalStatistics:
    """How many values a `ThreadLocal` holds now (`live`) and has ever held (`created`)."""

    name: str
    live: int
    created: int


class _Presence:
    """Lives exactly as long as a thread keeps its value; its death is the news of the end."""

    __slots__ = ("__weakref__",)


class _Entry[T](weakref.ref[_Presence]):
    """The registry's record of one thread's value.

    The owner is held weakly: a strong reference would close a cycle, and a dropped `ThreadLocal`
    would keep every thread's value until the next garbage collection.
    """

    __slots__ = ("ident", "owner", "value")

    ident: int
    owner: "weakref.ref[ThreadLocal[T]]"
    value: T


def _thread_ended[T](entry: _Entry[T]) -> None:
    owner = entry.owner()
    if owner is not None:
        owner._retire(entry)


class ThreadLocal[T]:
    """One value per thread, created by `factory()` when the thread first asks.

    Reading costs one method call over a `threading.local` attribute and takes no lock. The value
    is dropped when its thread ends; by the time `Thread.join()` has returned it is gone.

    `finalizer(value)`, when given, is called once for each value whose thread has ended, usually
    on the ending thread, before the value leaves `values()`: at every moment a value is in
    `values()` or has been given to the finalizer, or both. It must not block and must not raise.
    It is not called when the `ThreadLocal` itself is dropped, nor for `discard()`.

    Happens-before: none between threads, apart from this: what a thread did before it ended
    happens before the finalizer runs. Reading another thread's value through `values()` while
    that thread changes it is the caller's race. Fairness does not apply: nothing waits.
    """

    __slots__ = (
        "__weakref__",
        "_created",
        "_factory",
        "_finalizer",
        "_local",
        "_lock",
        "_name",
        "_registry",
    )

    def __init__(
        self,
        factory: Callable[[], T],
        *,
        finalizer: Callable[[T], object] | None = None,
        name: str = "",
    ) -> None:
        self._factory = factory
        self._finalizer = finalizer
        self._name = name
        self._local = threading.local()
        self._registry: dict[int, _Entry[T]] = {}
        # Guards `_created` alone, on a thread's first use. The retiring side takes no lock: it
        # may run inside a garbage collection, on a thread that holds one.
        self._lock = allocate_lock()  # not by threading's name: that may be instrumented
        self._created = 0

    def __repr__(self) -> str:
        label = f" {self._name!r}" if self._name else ""
        return f"<ThreadLocal{label} live={len(self._registry)}>"

    def __len__(self) -> int:
        """How many live threads hold a value now."""
        return len(self._registry)

    def get(self) -> T:
        """The calling thread's value, created now when there is none.

        An exception of the factory propagates and leaves the thread without a value.
        """
        try:
            return self._local.value  # type: ignore[no-any-return]  # only `set` writes it
        except AttributeError:
            pass
        value = self._factory()
        self.set(value)
        return value

    def peek[D](self, default: D) -> T | D:
        """The calling thread's value, or `default` when it has none; creates nothing."""
        return getattr(self._local, "value", default)

    def set(self, value: T) -> None:
        """Make `value` the calling thread's value."""
        local = self._local
        entry: _Entry[T] | None = getattr(local, "entry", None)
        if entry is None:
            presence = _Presence()
            entry = _Entry(presence, _thread_ended)
            entry.ident = threading.get_ident()
            entry.owner = weakref.ref(self)
            entry.value = value
            with self._lock:
                self._created += 1
            self._registry[id(entry)] = entry
            local.entry = entry
            local.presence = presence
        else:
            entry.value = value
        local.value = value

    def discard(self) -> None:
        """Forget the calling thread's value; the next `get()` creates one. No error without."""
        local = self._local
        entry: _Entry[T] | None = getattr(local, "entry", None)
        if entry is not None:
            self._registry.pop(id(entry), None)
            del local.value, local.entry, local.presence

    def _retire(self, entry: _Entry[T]) -> None:
        # Not in the registry: discarded, and its presence died because of that.
        if id(entry) in self._registry:
            if self._finalizer is not None:
                self._finalizer(entry.value)
            del self._registry[id(entry)]

    def values(self) -> list[T]:
        """The values of all live threads: a snapshot, in order of creation."""
        return [entry.value for entry in self._registry.copy().values()]

    def items(self) -> list[tuple[int, T]]:
        """Thread idents and values of all live threads: a snapshot, in order of creation."""
        return [(entry.ident, entry.value) for entry in self._registry.copy().values()]

    def statistics(self) -> ThreadLocalStatistics:
        """The figures now; each is exact, though they are read one after the other."""
        return ThreadLocalStatistics(
            name=self._name,
            live=len(self._registry),
            created=self._created,
        )
