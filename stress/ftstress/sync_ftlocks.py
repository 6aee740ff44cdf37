"""What `ftlocks`' primitives order, told without changing them.

Their inner locks become traced ones, which is all that most of them need. Reads that take no lock
(`Once`, atomics, `Event.is_set`) are messages; an `RWLock` tells its two modes apart and a
`KeyedLock` its keys, so that what only looks ordered by an inner lock is not taken for it.
"""

import functools
import linecache
import sys
import threading
import weakref
from types import ModuleType
from typing import Any, Final

from ftlocks import (
    _base,
    _hooks,
    _records,
    _rwcore,
    atomic,
    cache,
    channel,
    condition,
    event,
    keyed,
    mapping,
    mutex,
    once,
    rwlock,
    semaphore,
    spin,
    tables,
)
from ftstress.containers import traits
from ftstress.events import ITEM, READ, Place, tell
from ftstress.rewriting import is_rewritten
from ftstress.sync import TracedLock, TracedRLock

# rwlock and keyed are not among them: theirs guard only their own state.
_BY_LOCKS: Final[tuple[ModuleType, ...]] = (
    _base,
    _hooks,
    atomic,
    cache,
    channel,
    condition,
    event,
    mapping,
    mutex,
    semaphore,
    spin,
)


class _Key:
    """One key's lock in a `KeyedLock`."""

    __slots__ = ("__weakref__", "key")

    def __init__(self, key: Any) -> None:
        self.key = key


class _Modes(threading.local):
    def __init__(self) -> None:
        self.held: dict[int, list[bool]] = {}  # by id of an RWLock that the thread holds


_modes: Final = _Modes()
_keys: Final[weakref.WeakKeyDictionary[Any, dict[Any, _Key]]] = weakref.WeakKeyDictionary()


def _sending(method: Any, what: str) -> Any:
    def traced(self: Any, *arguments: Any, **words: Any) -> Any:
        if tell.asks is not None:
            tell.asks(self, what)
        if tell.send is not None:
            tell.send(self, what)
        result = method(self, *arguments, **words)
        if tell.receive is not None:
            tell.receive(self, what)
        return result

    return traced


def _receiving(method: Any, what: str) -> Any:
    def traced(self: Any, *arguments: Any, **words: Any) -> Any:
        if tell.asks is not None:
            tell.asks(self, what)
        result = method(self, *arguments, **words)
        if tell.receive is not None:
            tell.receive(self, what)
        return result

    return traced


def _making(method: Any, position: int, what: str) -> Any:
    """For a method with a factory among its arguments, whose result others see without a lock."""

    def traced(self: Any, *arguments: Any, **words: Any) -> Any:
        changed = list(arguments)
        if len(changed) > position:
            changed[position] = functools.partial(_made, changed[position], self, what)
        result = method(self, *changed, **words)
        if tell.receive is not None:
            tell.receive(self, what)
        return result

    return traced


def _made(factory: Any, channel: Any, what: str) -> Any:
    made = factory()
    if tell.send is not None:
        tell.send(channel, what)
    return made


def _truly(method: Any, what: str) -> Any:
    def traced(self: Any, *arguments: Any, **words: Any) -> Any:
        if tell.asks is not None:
            tell.asks(self, what)
        result = method(self, *arguments, **words)
        if result and tell.receive is not None:
            tell.receive(self, what)
        return result

    return traced


_acquire: Final = _rwcore.RWCore._acquire
_release: Final = _rwcore.RWCore._release
_downgrade: Final = rwlock.RWLock.downgrade


def _rw_acquire(self: Any, mode: str, blocking: bool, timeout: float | None) -> bool:
    modes = _modes.held.setdefault(id(self), [])
    if blocking and not modes and tell.wants is not None:
        tell.wants(self)
    got = _acquire(self, mode, blocking, timeout)
    if got:
        shared = mode == _records.READ
        modes.append(shared)
        if len(modes) == 1 and tell.holds is not None:
            tell.holds(self, shared)
    elif not modes:
        del _modes.held[id(self)]
    return got


def _rw_release(self: Any, mode: str | None) -> None:
    modes = _modes.held.get(id(self))
    if modes:
        if len(modes) == 1:
            del _modes.held[id(self)]
            if tell.lets_go is not None:
                tell.lets_go(self, modes[0])
        else:
            modes.pop()
    _release(self, mode)


def _rw_downgrade(self: Any) -> None:
    modes = _modes.held.get(id(self))
    if modes and not modes[0] and tell.lets_go is not None:
        tell.lets_go(self, False)
    _downgrade(self)
    if modes and not modes[0]:
        modes[0] = True
        if tell.holds is not None:
            tell.holds(self, True)


_key_acquire: Final = keyed.KeyedLock.acquire
_key_release: Final = keyed.KeyedLock.release


def _lock_of(lock: Any, key: Any) -> _Key:
    return _keys.setdefault(lock, {}).setdefault(key, _Key(key))


def _keyed_acquire(
    self: Any, key: Any, blocking: bool = True, timeout: float | None = None
) -> bool:
    if blocking and tell.wants is not None:
        tell.wants(_lock_of(self, key))
    got = _key_acquire(self, key, blocking, timeout)
    if got and tell.holds is not None and self._entries[key].depth == 1:
        tell.holds(_lock_of(self, key), False)
    return got


def _keyed_release(self: Any, key: Any) -> None:
    if tell.lets_go is not None and key in self._entries:
        entry = self._entries[key]
        if entry.owner is threading.current_thread() and entry.depth == 1:
            tell.lets_go(_lock_of(self, key), False)
    _key_release(self, key)


_looks: Final[dict[tuple[int, int], tuple[Any, Place]]] = {}  # by code and instruction


def _looked_up(table: Any, key: Any) -> None:
    """`tables.find` reads a table on behalf of the line that calls it."""
    if tell.access is None:
        return
    frame = sys._getframe(2)
    code = frame.f_code
    if not is_rewritten(code) or traits(type(table)) is None:
        return
    place = (id(code), frame.f_lasti)
    if place not in _looks:
        line = frame.f_lineno
        text = linecache.getline(code.co_filename, line).strip()
        made = Place(ITEM, "find", code.co_filename, line, 0, code.co_qualname, text, True)
        _looks[place] = (code, made)  # the code is kept, so that no other has its identity
    tell.access(READ, table, key, _looks[place][1])


def _methods(cls: type, names: str, wrap: Any, *facts: Any) -> list[tuple[Any, str, Any]]:
    return [(cls, name, wrap(vars(cls)[name], *facts)) for name in names.split()]


def replacements() -> list[tuple[Any, str, Any]]:
    """Owner, name and replacement of everything to be put in place."""
    found: list[tuple[Any, str, Any]] = [
        (module, "allocate_lock", TracedLock)
        for module in _BY_LOCKS
        if "allocate_lock" in vars(module)
    ]
    return [
        *found,
        (mutex, "_CRLock", TracedRLock),
        (tables, "told", _looked_up),
        (_rwcore.RWCore, "_acquire", _rw_acquire),
        (_rwcore.RWCore, "_release", _rw_release),
        (rwlock.RWLock, "downgrade", _rw_downgrade),
        (keyed.KeyedLock, "acquire", _keyed_acquire),
        (keyed.KeyedLock, "release", _keyed_release),
        *_methods(once.Once, "call call_nowait", _making, 0, "Once"),
        *_methods(once.Once, "peek", _receiving, "Once"),
        (once.Once, "done", property(_truly(vars(once.Once)["done"].fget, "Once"))),
        *_methods(once.Lazy, "get get_nowait", _receiving, "Lazy"),
        *_methods(atomic._Atomic, "get", _receiving, "atomic"),
        *_methods(atomic._Atomic, "exchange compare_and_set", _sending, "atomic"),
        *_methods(atomic.AtomicInt, "add", _sending, "atomic"),
        *_methods(event.Event, "set", _sending, "Event"),
        *_methods(event.Event, "is_set wait", _truly, "Event"),
        *_methods(spin.SpinBarrier, "wait", _sending, "SpinBarrier"),
        *_methods(mapping.ConcurrentDict, "get_or_create", _making, 1, "ConcurrentDict"),
        *_methods(
            mapping.ConcurrentDict,
            "__setitem__ __delitem__ setdefault update_with compare_and_set remove_if pop popitem",
            _sending,
            "ConcurrentDict",
        ),
        *_methods(
            mapping.ConcurrentDict,
            "__getitem__ __contains__ get snapshot items values",
            _receiving,
            "ConcurrentDict",
        ),
    ]
