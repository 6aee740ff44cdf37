"""Makes the locks of a program that knows nothing of this package ones of this package.

While an instrumentation is installed, `threading.Lock` and `RLock` and `_thread.allocate_lock` make
drop-ins that observers hear of; so do `threading`'s Condition, Semaphore, Event and Barrier,
`queue` and `concurrent.futures`, because they make their locks by these names. Where these wait
for something other than a lock, that is told as such. A lock is named after the place in the
program that made it, or that made the queue, the event, the future it belongs to.

Not seen: locks that existed before, apart from two that every executor and every logger uses; locks
inside C code; `_thread.RLock`. Left alone on purpose: the import system's locks, and `threading`'s
own table of threads, which a thread takes before it has a name. Must never change what the program
does, other than by taking time.
"""

import _queue
import _thread
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from time import perf_counter_ns as clock
from types import FrameType, ModuleType
from typing import Any, Final, NoReturn

from ftlocks import _hooks
from ftlocks._records import LockInfo
from ftlocks.mutex import Lock, RLock

_raw_lock: Final = _thread.allocate_lock
_RawLock: Final = type(_thread.allocate_lock())
_RawRLock: Final = _thread.RLock
_PACKAGE: Final = __name__.partition(".")[0]

# Modules whose objects have locks inside: such a lock is named after the object, and after the
# place that made the object.
_INSIDE: Final = frozenset(
    {
        "threading",
        "queue",
        "logging",
        "concurrent.futures._base",
        "concurrent.futures.thread",
        "multiprocessing.queues",
        _PACKAGE,
    }
)
# Callers of `_thread.allocate_lock` that get a C lock.
_UNTOUCHED: Final = frozenset({"importlib._bootstrap", "_frozen_importlib", "threading", _PACKAGE})

# Locks that modules made when they were imported, which this package itself needs, and that the
# modules look up by name each time.
_MADE_BEFORE: Final = (
    ("concurrent.futures.thread", "_global_shutdown_lock"),
    ("logging", "_lock"),
)


def _module_of(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__", "")
    return _PACKAGE if name.partition(".")[0] == _PACKAGE else str(name)


def _origin(kind: str) -> tuple[str, FrameType | None]:
    """What a lock that is being made belongs to, and the frame that makes that."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = _module_of(frame)
        if module not in _INSIDE or frame.f_code.co_name == "<module>":
            break
        if frame.f_code.co_name == "__init__" and module != _PACKAGE:
            kind = frame.f_code.co_qualname.split(".")[-2]
        frame = frame.f_back
    return kind, frame


# Packages that get C locks.
_spared: frozenset[str] = frozenset()


def _maker() -> str:
    """The package whose code is making a lock."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _module_of(frame) in _INSIDE:
        frame = frame.f_back
    return "" if frame is None else _module_of(frame).partition(".")[0]


class _Seeming(type):
    """Makes `isinstance(lock, threading.Lock)` true for C locks too."""

    raw: type[Any]

    def __call__(cls, *arguments: Any) -> Any:
        if _spared and _maker() in _spared:
            return cls.raw()
        return super().__call__(*arguments)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.raw) or type.__instancecheck__(cls, instance)


class ProgramLock(Lock, metaclass=_Seeming):
    """What `threading.Lock` makes while a program is instrumented; as exact a drop-in as can be."""

    __slots__ = ()

    raw = _RawLock

    def __init__(self, name: str = "") -> None:
        kind, frame = _origin("Lock")
        self._begin(_raw_lock(), name, False, kind, frame)

    @property  # type: ignore[misc]  # so that isinstance() of the C type is true
    def __class__(self) -> type:
        return _RawLock

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle '_thread.lock' object")


class ProgramRLock(RLock, metaclass=_Seeming):
    """What `threading.RLock` makes while a program is instrumented."""

    __slots__ = ()

    raw = _RawRLock

    def __init__(self, name: str = "") -> None:
        kind, frame = _origin("RLock")
        self._begin(_RawRLock(), name, False, kind, frame)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return _RawRLock

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle '_thread.RLock' object")


for _kind, _shown in ((ProgramLock, "Lock"), (ProgramRLock, "RLock")):
    _kind.__name__ = _kind.__qualname__ = _shown


def _allocate_lock() -> Any:
    """`_thread.allocate_lock`, for the program."""
    return _raw_lock() if _module_of(sys._getframe(1)) in _UNTOUCHED else ProgramLock()


class SimpleQueue(_queue.SimpleQueue[Any]):
    """`queue.SimpleQueue`, which is C and has no lock to watch; tells how long `get()` waited."""

    def __init__(self) -> None:
        super().__init__()
        self._info = LockInfo("SimpleQueue", "", _origin("")[1])

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Remove and return an item."""
        if not block:
            return super().get(False)
        try:
            return super().get(False)
        except queue.Empty:
            pass
        began = clock()
        got = False
        try:
            item = super().get(True, timeout)
            got = True
            return item
        finally:
            _tell(self._info, "get", clock() - began, got)


def _tell(info: LockInfo, mode: str, waited_ns: int, granted: bool) -> None:
    for told in _hooks.on_waited:
        told(info, mode, waited_ns, granted)


# Of what a program knows that it waits for.
_KINDS: Final = frozenset({"Barrier", "Condition", "Event", "Future", "Queue", "Semaphore"})

_condition_wait: Final = threading.Condition.wait
_thread_join: Final = threading.Thread.join
_JOIN: Final = LockInfo("Thread", "Thread.join", None)


def _wait(self: Any, timeout: float | None = None) -> bool:
    """`Condition.wait`, which also tells how long the notification took."""
    began = clock()
    granted = False
    try:
        granted = _condition_wait(self, timeout)
        return granted
    finally:
        info = getattr(self._lock, "_info", None)
        if info is not None and (timeout is None or timeout > 0):
            mode = info.kind.lower() if info.kind in _KINDS else "notification"
            _tell(info, mode, clock() - began, granted)


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    """`Thread.join`, which also tells how long it took."""
    began = clock()
    try:
        _thread_join(self, timeout)
    finally:
        _tell(_JOIN, "end of a thread", clock() - began, not self.is_alive())


class Instrumentation:
    """The replacements, to be installed before the program's own modules are imported.

    Args:
        spare: packages that go on with C locks.
        waits: whether to tell of waits for notifications and for the end of threads.
    """

    def __init__(self, *, spare: Iterable[str] = (), waits: bool = True) -> None:
        self._spare = frozenset(spare)
        self._waits = waits
        self._replaced: list[tuple[Any, str, Any]] = []

    def install(self) -> None:
        """Put the replacements in place. Call it before any other thread runs."""
        if self._replaced:
            raise RuntimeError("the program is instrumented already")
        global _spared
        _spared = self._spare
        makers: dict[int, Any] = {
            id(threading.Lock): ProgramLock,
            id(threading.RLock): ProgramRLock,
            id(_thread.allocate_lock): _allocate_lock,
            id(queue.SimpleQueue): SimpleQueue,
        }
        self._replace(_thread, "allocate_lock", _allocate_lock)
        self._replace(threading, "Lock", ProgramLock)
        self._replace(threading, "RLock", ProgramRLock)
        if self._waits:
            self._replace(threading.Condition, "wait", _wait)
            self._replace(threading.Thread, "join", _join)
        for module in list(sys.modules.values()):
            self._replace_names(module, makers)
        for name, attribute in _MADE_BEFORE:
            self._replace_made(sys.modules.get(name), name, attribute)

    def remove(self) -> None:
        """Put everything back. Locks that the program has made stay what they are."""
        global _spared
        _spared = frozenset()
        while self._replaced:
            owner, name, before = self._replaced.pop()
            setattr(owner, name, before)

    def _replace(self, owner: Any, name: str, value: object) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _replace_names(self, module: ModuleType, makers: dict[int, Any]) -> None:
        """Where a module that is loaded has done ``from threading import Lock``."""
        name = getattr(module, "__name__", "")
        if name.partition(".")[0] in {_PACKAGE, *self._spare} or name in (
            "_thread",
            "threading",
            "_queue",
        ):
            return
        if name.startswith(("importlib", "_frozen_importlib")):
            return
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in makers:
                self._replace(module, attribute, makers[id(value)])

    def _replace_made(self, module: ModuleType | None, name: str, attribute: str) -> None:
        old = getattr(module, attribute, None)
        # Not isinstance(): the drop-ins claim to be C locks.
        if type(old) not in (_RawLock, _RawRLock):
            return
        make: Callable[[str], Any] = ProgramLock if type(old) is _RawLock else ProgramRLock
        new = make(f"{name}.{attribute}")
        # The module has arranged this for the old one only.
        os.register_at_fork(after_in_child=new._at_fork_reinit)
        self._replace(module, attribute, new)
