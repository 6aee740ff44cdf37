"""Puts the models of `ftstress.models` in the place of the originals, and takes them out again.

By identity, not by name, in the modules that make threads wait: ``from threading import Lock as L``
is found as well. Threads that no schedule controls get the originals from the models themselves, so
that a test runner's own threads may go on meanwhile. Must never be in force for longer
than an exploration.
"""

import _thread
import concurrent.futures._base
import concurrent.futures.thread
import logging
import queue
import sys
import threading
import time
import types
import weakref
from collections.abc import Iterable
from typing import Any, Final

from ftlocks import keyed, rwlock
from ftstress import control, model_clock, model_threads, models, sync
from ftstress.tasks import Task

_STANDARD: Final = (
    _thread,
    threading,
    queue,
    time,
    concurrent.futures._base,
    concurrent.futures.thread,
)
# Their locks guard only their own state; what they order is told for them.
_GUARDED: Final = (rwlock, keyed)
_EXECUTORS: Final = vars(concurrent.futures.thread)
_RLOCKS: Final = (_thread.RLock, sync.TracedRLock)
_RAW_LOCKS: Final = (type(_thread.allocate_lock()), sync.TracedLock, *_RLOCKS)


def _replacements() -> dict[int, tuple[Any, Any]]:
    """By identity of the original: the original (to be sure), and what takes its place."""
    pairs: list[tuple[Any, Any]] = [
        (_thread.allocate_lock, models.Lock),
        (_thread.LockType, models.Lock),
        (_thread.RLock, models.RLock),
        (threading.Condition, models.Condition),
        (models._RealSimpleQueue, models.SimpleQueue),
        (_thread._ThreadHandle, model_threads.Handle),
        (_thread.start_joinable_thread, model_threads.start_thread),
        (sync._start_new, model_threads.start_new_thread),
        # Those that a race detector has put there before.
        (sync.TracedLock, models.Lock),
        (sync.TracedRLock, models.RLock),
        (sync.TracedSimpleQueue, models.SimpleQueue),
        (sync._traced_start_new, model_threads.start_new_thread),
    ]
    real = model_clock.real_clocks()
    pairs += [(real[name], clock) for name, clock in model_clock.CLOCKS.items()]
    pairs.append((real["sleep"], model_clock.sleep))
    return {id(original): (original, model) for original, model in pairs}


class Substitution:
    """A block in which the standard library, `ftlocks` and `modules` wait in models."""

    def __init__(self, modules: Iterable[types.ModuleType]) -> None:
        self._modules = list(modules)
        self._undo: list[tuple[dict[str, Any], str, Any]] = []
        self._locks: list[tuple[dict[str, Any], str, type[models.Lock]]] = []

    def __enter__(self) -> None:
        replacements = _replacements()
        ftlocks = [
            module
            for name, module in list(sys.modules.items())
            if name == "ftlocks" or name.startswith("ftlocks.")
        ]
        for module in {id(m): m for m in (*_STANDARD, *ftlocks, *self._modules)}.values():
            names = vars(module)
            for name, value in list(names.items()):
                found = replacements.get(id(value))
                if found is not None and found[0] is value:
                    guards_itself = found[1] is models.Lock and module in _GUARDED
                    self._set(names, name, models.InnerLock if guards_itself else found[1])
        self._set(vars(threading), "excepthook", self._excepthook)
        concurrent.futures._base.LOGGER.addFilter(_is_news)
        self._locks = [
            (names, name, models.RLock if type(value) in _RLOCKS else models.Lock)
            for names in map(vars, self._modules)
            for name, value in list(names.items())
            if type(value) in _RAW_LOCKS
        ]
        self._locks.append((_EXECUTORS, "_global_shutdown_lock", models.Lock))
        for names, name, _ in (*self._locks, (_EXECUTORS, "_threads_queues", None)):
            self._set(names, name, names[name])

    def renew(self) -> None:
        """A module's own locks were made when it was imported; a run begins with free ones."""
        _EXECUTORS["_threads_queues"] = weakref.WeakKeyDictionary()
        for names, name, model in self._locks:
            names[name] = model.modelled()

    def __exit__(self, *exception: object) -> None:
        for names, name, value in reversed(self._undo):
            names[name] = value
        self._undo.clear()
        concurrent.futures._base.LOGGER.removeFilter(_is_news)

    def _set(self, names: dict[str, Any], name: str, value: Any) -> None:
        self._undo.append((names, name, names[name]))
        names[name] = value

    def _excepthook(self, args: threading.ExceptHookArgs) -> None:
        run, task = control._run, control.me()
        if run is None or task is None:
            next(value for _, name, value in self._undo if name == "excepthook")(args)
        elif args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            run.fail_with(task, args.exc_value)


def waits_for_work(task: Task) -> bool:
    """An idle worker of a `ThreadPoolExecutor`, which the interpreter's exit would end."""
    return (
        task.title == concurrent.futures.thread._worker.__name__
        and task.wait is not None
        and isinstance(task.wait.thing, models.SimpleQueue)
    )


def _is_news(_record: logging.LogRecord) -> bool:
    """Executors report what ends their workers; the end of a run is none of it."""
    return not control.unwinds()
