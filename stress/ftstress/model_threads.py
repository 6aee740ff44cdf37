"""Threads under a schedule: how they start and how they are joined.

`threading.Thread` is the real one; what is replaced is the function that starts a thread and the
handle that is joined. Must never start a thread that the scheduler does not know.
"""

import threading
from _thread import _ThreadHandle as RealHandle
from _thread import start_joinable_thread
from _thread import start_new_thread as real_start_new_thread
from collections.abc import Callable
from typing import Any

from ftstress import control
from ftstress.events import READ
from ftstress.models import needed
from ftstress.tasks import Aborted, Task


class Handle:
    """What `threading.Thread` joins."""

    def __new__(cls) -> Any:
        if control.me() is None:
            return RealHandle()
        made = object.__new__(cls)
        made.ident = None
        made.task = None
        return made

    ident: int | None
    task: Task | None

    def is_done(self) -> bool:
        control.point("Thread.is_alive", self.task, READ)
        return self.has_ended()

    def join(self, timeout: float | None = None) -> None:
        if timeout is not None and timeout < 0:
            timeout = None  # as the C handle takes it
        if self.task is None:
            return
        what = f"the end of {self.task.name}"
        ended = control.wait_at("Thread.join", self.task, READ, self.has_ended, timeout, what)
        if ended is None and not self.has_ended():
            needed(None, self)

    def has_ended(self) -> bool:
        return self.task is not None and self.task.is_done

    def _set_done(self) -> None:
        """Only a fork's child calls it."""


class _Started:
    """A thread's `_started` event: whoever sets it has arrived, and waits to be chosen."""

    def __init__(self, task: Task, thread: threading.Thread) -> None:
        self._task = task
        self._thread = thread
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        self._task.arrived.release()
        try:
            control.run().park(self._task)
        except Aborted:
            # `Thread._bootstrap_inner` is not made for an exception here.
            self._thread.run = _nothing  # type: ignore[method-assign]


def _nothing() -> None:
    pass


def start_thread(function: Callable[[], Any], handle: Any = None, daemon: bool = True) -> Any:
    """`_thread.start_joinable_thread`."""
    parent = control.me()
    if parent is None:
        return start_joinable_thread(function, handle=handle, daemon=daemon)
    thread = getattr(function, "__self__", None)
    run = control.run()
    if handle is None or not isinstance(handle, Handle):
        handle = Handle()
    if isinstance(thread, threading.Thread):
        task = run.start(parent, _title(thread), daemon)
        thread._handle = handle  # type: ignore[attr-defined]  # made before the run, it was real
        thread._started = _Started(task, thread)  # type: ignore[attr-defined]
        body = _ThreadBody(run, task, function).of_thread
    else:
        task = run.start(parent, getattr(function, "__name__", "thread"), daemon)
        body = _ThreadBody(run, task, function).of_function
    handle.task = task
    real = start_joinable_thread(body, daemon=True)
    handle.ident = real.ident
    task.arrived.acquire()
    return handle


def start_new_thread(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
) -> int:
    """`_thread.start_new_thread`."""
    if control.me() is None:
        return real_start_new_thread(function, args, kwargs or {})
    named = _Call(function, args, kwargs or {})
    return int(start_thread(named).ident)


class _Call:
    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.__name__ = getattr(function, "__name__", "thread")
        self._function = function
        self._args = args
        self._kwargs = kwargs

    def __call__(self) -> None:
        self._function(*self._args, **self._kwargs)


class _ThreadBody:
    __slots__ = ("function", "run", "task")

    def __init__(self, run: control.Run, task: Task, function: Callable[[], Any]) -> None:
        self.run = run
        self.task = task
        self.function = function

    def of_thread(self) -> None:
        """`Thread._bootstrap`, which parks where it sets `_started`."""
        self.run.enter(self.task)
        try:
            self.function()
        finally:
            self.run.leave(self.task)

    def of_function(self) -> None:
        self.run._thread(self.task, self.function)


def _title(thread: threading.Thread) -> str:
    target = getattr(thread, "_target", None)
    if target is not None:
        return str(getattr(target, "__name__", type(target).__name__))
    return type(thread).__name__
