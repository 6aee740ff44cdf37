"""Threads that a tool starts belong to its request.

`self.session_context` of a shared adapter is found through a context variable, and before Python
3.14 a new thread begins with none: a tool that hands half of its work to `threading.Thread` or to a
`ThreadPoolExecutor` would look for its session there in vain, although nothing in its source says
why. Free-threaded Python 3.14 lets a thread start with a copy of its starter's context
(`sys.flags.thread_inherit_context`). While an adapter is served, this module does the same for
threads that are started inside a request, and for each piece of work that is given to a
`ThreadPoolExecutor` there: a pool's own threads outlive the request that made them, so they start
with nothing and each piece of work brings its own. Everything else in the process is as ever; the
price is one look at a context variable.

Not reached: threads made by `_thread.start_new_thread` or by C code, and queues of one's own, whose
readers belong to the request that started them, or to none. Those take
`contextvars.copy_context().run`.

Must never keep a request alive: what it hands over is gone when the thread has run.
"""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from threading import Lock, Thread
from typing import Any, Final

from ftbridge.adapters.context import CURRENT

_start: Final = Thread.start
_submit: Final = ThreadPoolExecutor.submit

# Modules whose threads work for whoever comes, and outlive the request that made them: the workers
# of an executor, which get a context with each piece of work, and what a process pool is run by.
_SHARED: Final = frozenset(
    {"concurrent.futures.thread", "concurrent.futures.process", "multiprocessing.queues"}
)

# From 3.14 on the interpreter itself does the threads' half.
_THREADS_INHERIT: Final = bool(getattr(sys.flags, "thread_inherit_context", False))

_lock: Final = Lock()
_users = 0


class _Run:
    """Takes the place of one thread's `run`, once."""

    __slots__ = ("_context", "_own", "_run", "_thread")

    def __init__(self, thread: Thread, context: Context) -> None:
        self._own = vars(thread).get("run")  # set on the instance by whoever made it
        self._run: Callable[[], object] | None = thread.run
        self._context: Context | None = context
        self._thread: Thread | None = thread

    def __call__(self) -> None:
        run, context = self._run, self._context
        self.undo()
        if run is not None and context is not None:
            context.run(run)

    def undo(self) -> None:
        """Give the thread its own `run` back, and forget both: they refer to each other."""
        thread, self._thread = self._thread, None
        self._run = self._context = None
        if thread is None:
            return
        if self._own is None:
            vars(thread).pop("run", None)
        else:
            vars(thread)["run"], self._own = self._own, None


def _is_shared(thread: Thread) -> bool:
    target = getattr(thread, "_target", None)
    return (type(thread) if target is None else target).__module__ in _SHARED


def _start_in_request(self: Thread) -> None:
    if CURRENT.get() is None or _is_shared(self):
        _start(self)
        return
    run = _Run(self, copy_context())
    vars(self)["run"] = run
    try:
        _start(self)
    except BaseException:
        run.undo()
        raise


def _submit_in_request(
    self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Future[Any]:
    if CURRENT.get() is None:
        return _submit(self, fn, *args, **kwargs)
    return _submit(self, copy_context().run, fn, *args, **kwargs)


def install() -> None:
    """Have threads inherit their request from now on, until as many `uninstall` have come."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _replace(ThreadPoolExecutor, "submit", _submit, _submit_in_request)
            if not _THREADS_INHERIT:
                _replace(Thread, "start", _start, _start_in_request)


def uninstall() -> None:
    """Undo one `install`."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _replace(ThreadPoolExecutor, "submit", _submit_in_request, _submit)
            _replace(Thread, "start", _start_in_request, _start)


def _replace(owner: type, name: str, old: object, new: Any) -> None:
    # What somebody else has put in its place in the meantime calls ours, or has taken it out on
    # purpose; either way it stays.
    if vars(owner).get(name) is old:
        setattr(owner, name, new)
