"""Primitives that tell what they order: `threading`, `queue`, `concurrent.futures`, `asyncio`.

`threading`'s own primitives, and what `queue` and `concurrent.futures` build on them, are Python
code over `Lock` and `RLock`: once these two tell, all of them do, and with exactly the order that
they really make. What is left is what they do without a lock: a flag that is read, C queues, the
start and the end of threads, and the way into an event loop. `ftlocks` is in `sync_ftlocks`.

Locks that were made before `install()` are not seen. Must never change what a primitive does.
"""

import _queue
import _thread
import asyncio
import concurrent.futures.thread  # noqa: F401  # before install(): its module-wide lock orders nobody's data
import queue
import sys
import threading
from collections.abc import Callable
from types import CodeType
from typing import Any, Final

from ftstress.events import tell
from ftstress.frames import is_machinery, line_of


class _Made:
    """The place where a primitive was made, worked out when somebody asks."""

    __slots__ = ("code", "inside", "instruction")

    def __init__(self) -> None:
        frame = sys._getframe(2)
        # Made by another primitive for itself: what it orders is that one's message.
        self.inside = is_machinery(frame.f_code.co_filename)
        while frame.f_back is not None and is_machinery(frame.f_code.co_filename):
            frame = frame.f_back
        self.code: CodeType = frame.f_code
        self.instruction = frame.f_lasti

    @property
    def where(self) -> tuple[str, int]:
        return (self.code.co_filename, line_of(self.code, self.instruction))


class TracedLock:
    """`threading.Lock` that tells."""

    __slots__ = ("__weakref__", "_made", "_raw", "order")

    def __init__(self) -> None:
        self._raw = _thread.allocate_lock()
        self.order: Any = None  # what `ftstress.lock_order` knows it by
        self._made = _Made()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking and timeout < 0 and tell.wants is not None:
            tell.wants(self)
        got = self._raw.acquire(blocking, timeout)
        if got and tell.holds is not None:
            tell.holds(self, False)
        return got

    __enter__ = acquire

    def release(self) -> None:
        if tell.lets_go is not None and self._raw.locked():
            tell.lets_go(self, False)
        self._raw.release()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def locked(self) -> bool:
        return self._raw.locked()

    # Names of `_thread.lock`'s.
    acquire_lock = acquire
    release_lock = release
    locked_lock = locked

    def _at_fork_reinit(self) -> None:
        self._raw._at_fork_reinit()  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return repr(self._raw)


class TracedRLock:
    """`threading.RLock` that tells of its outermost holds."""

    __slots__ = ("__weakref__", "_count", "_made", "_raw", "order")

    def __init__(self) -> None:
        self.order: Any = None  # what `ftstress.lock_order` knows it by
        self._raw: Any = _thread.RLock()
        self._count = 0  # touched by the holder only
        self._made = _Made()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking and timeout < 0 and tell.wants is not None and not self._raw._is_owned():
            tell.wants(self)
        got: bool = self._raw.acquire(blocking, timeout)
        if got:
            self._count += 1
            if self._count == 1 and tell.holds is not None:
                tell.holds(self, False)
        return got

    __enter__ = acquire

    def release(self) -> None:
        if self._raw._is_owned():
            if self._count == 1 and tell.lets_go is not None:
                tell.lets_go(self, False)
            self._count -= 1
        self._raw.release()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def locked(self) -> bool:
        return "owner=0" not in repr(self._raw)

    # For conditions.

    def _release_save(self) -> tuple[Any, int]:
        count = self._count
        if self._raw._is_owned():
            if tell.lets_go is not None:
                tell.lets_go(self, False)
            self._count = 0
        return self._raw._release_save(), count

    def _acquire_restore(self, state: tuple[Any, int]) -> None:
        if tell.wants is not None:
            tell.wants(self)
        self._raw._acquire_restore(state[0])
        self._count = state[1]
        if tell.holds is not None:
            tell.holds(self, False)

    def _is_owned(self) -> bool:
        return bool(self._raw._is_owned())

    def _recursion_count(self) -> int:
        return int(self._raw._recursion_count())

    def _at_fork_reinit(self) -> None:
        self._raw._at_fork_reinit()
        self._count = 0

    def __repr__(self) -> str:
        return repr(self._raw)


class _Letter:
    """One item on its way, which is the channel of its own message."""

    __slots__ = ("__weakref__", "item")

    def __init__(self, item: Any) -> None:
        self.item = item


class TracedSimpleQueue(_queue.SimpleQueue):  # type: ignore[type-arg]
    """`queue.SimpleQueue` in which putting an item happens before getting it."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        letter = _Letter(item)
        if tell.send is not None:
            tell.send(letter, "queue item")
        super().put(letter, block, timeout)

    def put_nowait(self, item: Any) -> None:
        self.put(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        letter = super().get(block, timeout)
        if tell.receive is not None:
            tell.receive(letter, "queue item")
        return letter.item

    def get_nowait(self) -> Any:
        return self.get(False)


class _Delivered:
    """A callback on its way into an event loop."""

    __slots__ = ("__weakref__", "callback")

    def __init__(self, callback: Callable[..., object]) -> None:
        self.callback = callback

    def __call__(self, *arguments: Any) -> object:
        if tell.receive is not None:
            tell.receive(self, "call_soon_threadsafe")
        return self.callback(*arguments)


class _RawThread:
    """Stands for a thread that `_thread.start_new_thread` started."""

    __slots__ = ("__weakref__", "arguments", "function", "name", "words")

    def __init__(self, function: Any, arguments: Any, words: Any) -> None:
        self.function = function
        self.arguments = arguments
        self.words = words
        self.name = "thread of _thread.start_new_thread"

    def __call__(self) -> None:
        if tell.begins is not None:
            tell.begins(self)
        try:
            self.function(*self.arguments, **self.words)
        finally:
            if tell.ends is not None:
                tell.ends(self)


_start: Final = threading.Thread.start
_bootstrap_inner: Final = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]
_join: Final = threading.Thread.join
_is_alive: Final = threading.Thread.is_alive
_is_set: Final = threading.Event.is_set
_wait: Final = threading.Event.wait
_start_new: Final = _thread.start_new_thread
_call_soon: Final = asyncio.BaseEventLoop.call_soon_threadsafe


def _traced_start(self: threading.Thread) -> None:
    if tell.starts is not None:
        tell.starts(self)
    _start(self)


def _traced_bootstrap(self: threading.Thread) -> None:
    if tell.begins is not None:
        tell.begins(self)
    try:
        _bootstrap_inner(self)
    finally:
        if tell.ends is not None:
            tell.ends(self)


def _traced_join(self: threading.Thread, timeout: float | None = None) -> None:
    _join(self, timeout)
    if tell.joined is not None and _has_ended(self):
        tell.joined(self)


def _has_ended(thread: Any) -> bool:
    handle = thread._handle  # under a schedule it has a way to ask that is no step
    return bool(getattr(handle, "has_ended", handle.is_done)())


def _traced_is_alive(self: threading.Thread) -> bool:
    alive = _is_alive(self)
    if not alive and tell.joined is not None and self.ident is not None:
        tell.joined(self)
    return alive


def _traced_set(self: Any) -> None:
    # As the original, but told at the moment of the change.
    with self._cond:
        if tell.send is not None:
            tell.send(self, "Event")
        self._flag = True
        self._cond.notify_all()


def _traced_clear(self: Any) -> None:
    with self._cond:
        if tell.alters is not None:
            tell.alters(self)
        self._flag = False


def _traced_is_set(self: threading.Event) -> bool:
    if tell.asks is not None:
        tell.asks(self, "Event.is_set")
    found = _is_set(self)
    if found and tell.receive is not None:
        tell.receive(self, "Event")
    return found


def _traced_wait(self: threading.Event, timeout: float | None = None) -> bool:
    found = _wait(self, timeout)
    if found and tell.receive is not None:
        tell.receive(self, "Event")
    return found


def _traced_start_new(function: Any, args: Any, kwargs: Any = None, /) -> int:
    thread = _RawThread(function, args, {} if kwargs is None else kwargs)
    if tell.starts is not None:
        tell.starts(thread)
    return _start_new(thread, ())


def _traced_call_soon(
    self: Any, callback: Callable[..., object], *args: Any, context: Any = None
) -> Any:
    delivered = _Delivered(callback)
    if tell.send is not None:
        tell.send(delivered, "call_soon_threadsafe")
    return _call_soon(self, delivered, *args, context=context)


_REPLACED: Final[tuple[tuple[Any, str, Any], ...]] = (
    (threading, "Lock", TracedLock),
    (threading, "RLock", TracedRLock),
    (threading.Thread, "start", _traced_start),
    (threading.Thread, "_bootstrap_inner", _traced_bootstrap),
    (threading.Thread, "join", _traced_join),
    (threading.Thread, "is_alive", _traced_is_alive),
    (threading.Event, "set", _traced_set),
    (threading.Event, "clear", _traced_clear),
    (threading.Event, "is_set", _traced_is_set),
    (threading.Event, "isSet", _traced_is_set),
    (threading.Event, "wait", _traced_wait),
    (queue, "SimpleQueue", TracedSimpleQueue),
    (_thread, "start_new_thread", _traced_start_new),
    (asyncio.BaseEventLoop, "call_soon_threadsafe", _traced_call_soon),
)

_switch: Final = _thread.allocate_lock()
_users = 0
_before: list[tuple[Any, str, Any]] = []


def install() -> None:
    """Have primitives made from now on tell, until as many `uninstall` have come."""
    from ftstress import sync_ftlocks  # it takes this module's traced locks

    global _users
    with _switch:
        _users += 1
        if _users == 1:
            for owner, name, replacement in (*_REPLACED, *sync_ftlocks.replacements()):
                _before.append((owner, name, vars(owner)[name]))
                setattr(owner, name, replacement)


def uninstall() -> None:
    """Undo one `install`; traced primitives go on working, and telling who still listens."""
    global _users
    with _switch:
        _users -= 1
        if _users == 0:
            while _before:
                setattr(*_before.pop())
