"""Waits for no primitive of this package: a thread's end, a future, threading's conditions.

None tells who waits, and an executor does not tell which of its threads runs what; so, while a
watchdog is on, `Thread.join`, `Condition.wait`, `Future.result`, `Future.exception` and the two
methods with which a `ThreadPoolExecutor` makes and runs a piece of work are replaced by ones that
note it. `submit` is
left to others, who replace it more often. A wait that begins earlier, or goes through
`concurrent.futures.wait` or `as_completed`, is not seen. Must never keep an executor alive.
"""

import sys
import threading
import weakref
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as _pools
from time import perf_counter_ns as clock
from typing import Any, Final, NamedTuple

from ftlocks import _hooks
from ftlocks._records import POLL_SECONDS, Waiter
from ftlocks._sites import capture


class OutsideWait(NamedTuple):
    """A thread that waits for others, and goes on when any one of them can.

    Args:
        what: as a message names it.
        needs: idents of those threads; empty where nobody can tell.
    """

    what: str
    waiter: Waiter
    needs: frozenset[int]


_waiting: Final[dict[int, tuple[Waiter, Any]]] = {}  # and what for
_switch: Final = allocate_lock()
_users = 0


def waits() -> list[OutsideWait]:
    """All such waits, at one moment for each."""
    found = []
    for waiter, target in _waiting.copy().values():
        if isinstance(target, Future):
            found.append(_future_wait(waiter, target))
        elif isinstance(target, threading.Condition):
            if target._waiters:  # type: ignore[attr-defined]  # else notified
                verb = "notified" if waiter.mode == "condition" else "set"
                what = f"a {waiter.mode} of threading's to be {verb}"
                found.append(OutsideWait(what, waiter, frozenset()))
        else:
            what = f"the end of thread {target.name!r}"
            found.append(OutsideWait(what, waiter, frozenset({target.ident or 0})))
    return found


def _future_wait(waiter: Waiter, future: "Future[Any]") -> OutsideWait:
    runner = vars(future).get("_ftlocks_runner")
    pool_of = vars(future).get("_ftlocks_pool")
    pool = None if pool_of is None else pool_of()
    if future.done():
        return OutsideWait("a future that is done", waiter, frozenset())
    if runner is not None:
        return OutsideWait("the result of work that has begun", waiter, frozenset({runner}))
    if pool is None:
        return OutsideWait("a future", waiter, frozenset())
    name = pool._thread_name_prefix or "unnamed"
    threads = {thread.ident or 0 for thread in pool._threads.copy()}
    if len(threads) < pool._max_workers:
        threads = set()  # another one is about to be started
    what = f"work that waits for a thread of executor {name!r}, which has {pool._max_workers}"
    return OutsideWait(what, waiter, frozenset(threads))


def install() -> None:
    """Note such waits from now on, until as many `uninstall` have come."""
    global _users
    with _switch:
        _users += 1
        if _users == 1:
            for noting in _NOTING:
                noting.begin()


def uninstall() -> None:
    """Undo one `install`."""
    global _users
    with _switch:
        _users -= 1
        if _users == 0:
            for noting in _NOTING:
                noting.end()


class _Replaced:
    """A method that is replaced, and what stands below the replacement: maybe another one."""

    __slots__ = ("_name", "_owner", "_replacement", "_standing", "below")

    def __init__(self, owner: type, name: str, replacement: Callable[..., Any]) -> None:
        self._owner = owner
        self._name = name
        self._replacement = replacement
        self._standing = False
        self.below: Callable[..., Any] = vars(owner)[name]

    def begin(self) -> None:
        if not self._standing:
            self.below = vars(self._owner)[self._name]
            setattr(self._owner, self._name, self._replacement)
            self._standing = True

    def end(self) -> None:
        # Where somebody else has replaced ours meanwhile, theirs needs it, and it stays.
        if vars(self._owner)[self._name] is self._replacement:
            setattr(self._owner, self._name, self.below)
            self._standing = False


def _noted_join(self: threading.Thread, timeout: float | None = None) -> None:
    join = _JOIN.below
    if timeout is not None or self is threading.current_thread() or self.ident is None:
        join(self, timeout)
        return
    waiter = Waiter("join", clock(), gated=False)
    waiter.site = capture(_hooks.site_depth)
    _waiting[id(waiter)] = (waiter, self)
    try:
        while True:
            join(self, POLL_SECONDS)
            if not self.is_alive():
                join(self)
                return
            if waiter.error is not None:
                raise waiter.error
    finally:
        del _waiting[id(waiter)]


def _noted_wait(self: threading.Condition, timeout: float | None = None) -> bool:
    if timeout is not None:
        return bool(_WAIT.below(self, timeout))
    inside_event = sys._getframe(1).f_code is threading.Event.wait.__code__
    waiter = Waiter("event" if inside_event else "condition", clock(), gated=False)
    waiter.firm = True
    waiter.site = capture(_hooks.site_depth)
    _waiting[id(waiter)] = (waiter, self)
    try:
        return bool(_WAIT.below(self))
    finally:
        del _waiting[id(waiter)]


def _noted_result(self: "Future[Any]", timeout: float | None = None) -> Any:
    if timeout is None and not self.done():
        _await(self)
    return _RESULT.below(self, timeout)


def _noted_exception(self: "Future[Any]", timeout: float | None = None) -> BaseException | None:
    if timeout is None and not self.done():
        _await(self)
    found: BaseException | None = _EXCEPTION.below(self, timeout)
    return found


def _await(future: "Future[Any]") -> None:
    waiter = Waiter("result", clock(), gated=True)
    waiter.site = capture(_hooks.site_depth)
    assert waiter.gate is not None
    future.add_done_callback(_Wake(waiter))
    _waiting[id(waiter)] = (waiter, future)
    try:
        waiter.gate.acquire()
    finally:
        del _waiting[id(waiter)]
    if waiter.error is not None and not future.done():
        raise waiter.error


class _Wake:
    """Ends the wait when the future is done."""

    __slots__ = ("_waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter

    def __call__(self, future: object) -> None:
        self._waiter.wake()


def _noted_item(self: Any, future: "Future[Any]", *args: Any, **kwargs: Any) -> None:
    _ITEM.below(self, future, *args, **kwargs)
    # `submit` makes it, and is still on this thread's stack.
    pool = sys._getframe(1).f_locals.get("self")
    if isinstance(pool, ThreadPoolExecutor):
        vars(future)["_ftlocks_pool"] = weakref.ref(pool)


def _noted_run(self: Any, *args: Any) -> None:
    vars(self.future)["_ftlocks_runner"] = get_ident()
    _RUN.below(self, *args)


_JOIN: Final = _Replaced(threading.Thread, "join", _noted_join)
_WAIT: Final = _Replaced(threading.Condition, "wait", _noted_wait)
_RESULT: Final = _Replaced(Future, "result", _noted_result)
_EXCEPTION: Final = _Replaced(Future, "exception", _noted_exception)
_ITEM: Final = _Replaced(_pools._WorkItem, "__init__", _noted_item)
_RUN: Final = _Replaced(_pools._WorkItem, "run", _noted_run)
_NOTING: Final = (_JOIN, _WAIT, _RESULT, _EXCEPTION, _ITEM, _RUN)
