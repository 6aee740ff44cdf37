"""How long an adapter's instance lives, and the instances that live as long as a thread.

Must never run a request: it gives the host an instance, and the host does the rest.
"""

import logging
from collections import deque
from collections.abc import Callable
from contextvars import Context
from threading import Condition
from typing import Final, cast, get_args

from ftbridge.adapters.base import BaseAdapter, Lifetime
from ftbridge.adapters.errors import InvalidToolError, ThreadSafetyError
from ftlocks import ThreadLocal

_log = logging.getLogger("ftbridge.adapters")

LIFETIMES: Final[tuple[Lifetime, ...]] = cast("tuple[Lifetime, ...]", get_args(Lifetime.__value__))


def choose_lifetime(adapter_class: type[BaseAdapter], chosen: Lifetime | None) -> Lifetime:
    """The operator's choice, else the class's.

    Raises:
        InvalidToolError: there is no such lifetime.
    """
    lifetime = adapter_class.__lifetime__ if chosen is None else chosen
    if lifetime not in LIFETIMES:
        raise InvalidToolError(
            f"{adapter_class.__qualname__}: the lifetime {lifetime!r} is none of "
            f"{', '.join(LIFETIMES)}"
        )
    return lifetime


def check_context_attribute(adapter_class: type[BaseAdapter], lifetime: Lifetime) -> None:
    """Refuse a class attribute that would show one request's context to another.

    Raises:
        ThreadSafetyError: the class replaces the property `session_context`, and its instances
            serve many requests.
    """
    if lifetime == "request":
        return
    for base in adapter_class.__mro__:
        found = vars(base).get("session_context")
        if found is not None or "session_context" in vars(base):
            if not isinstance(found, property):
                raise ThreadSafetyError(
                    f"{base.__qualname__} has a class attribute session_context, which one "
                    f"instance would share between all its requests (lifetime {lifetime!r}): take "
                    "it away; the base class has the property"
                )
            return


class ThreadInstances:
    """One instance for each thread that asks, made on that thread.

    Args:
        begin: builds an instance and makes it ready.
        end: takes it down. Called exactly once for each, on the thread's own way out where that
            thread says `leave`; else by whoever calls `close`, or by a later newcomer when the
            thread ended without a word.

    Fairness does not apply; happens-before: `begin` before every request on its thread, all of
    them before `end`.
    """

    __slots__ = ("_begin", "_end", "_ended", "_ending", "_live", "_local", "_lock")

    def __init__(
        self, begin: Callable[[], BaseAdapter], end: Callable[[BaseAdapter], None]
    ) -> None:
        self._begin = begin
        self._end = end
        self._lock = Condition()
        self._ending = 0  # instances being taken down by their own threads
        # By identity, since authors may define equality. Whoever takes one out ends it.
        self._live: dict[int, BaseAdapter] = {}
        self._ended: deque[BaseAdapter] = deque()
        # The finalizer may run inside a garbage collection: it only notes.
        self._local: ThreadLocal[BaseAdapter] = ThreadLocal(
            self._make, finalizer=self._ended.append, name="adapter instances"
        )

    def obtain(self) -> BaseAdapter:
        """This thread's instance. Raises what its ``__init__`` or ``setup`` raises."""
        return self._local.get()

    def leave(self) -> None:
        """This thread runs no more requests: end its instance here and now."""
        instance = self._local.peek(None)
        if instance is not None:
            self._local.discard()
            self._finish(instance)

    def close(self) -> None:
        """End all instances, on this thread, and wait for those that are ending on theirs.

        Raises what the first failing ``teardown`` here raises.
        """
        failure: BaseException | None = None
        with self._lock:
            live = list(self._live.values())
        for instance in live:
            try:
                self._finish(instance)
            except BaseException as error:  # noqa: BLE001 - the others have to be ended too
                if failure is not None:
                    _log.exception("another teardown failed too")
                failure = failure or error
        with self._lock:
            self._lock.wait_for(lambda: not self._ending)
        if failure is not None:
            raise failure

    def _make(self) -> BaseAdapter:
        while self._ended:
            try:
                self._finish(self._ended.popleft())
            except BaseException:  # noqa: BLE001 - not this request's doing
                _log.exception("teardown of an ended thread's instance failed")
        # Outside the request that happens to be the thread's first.
        instance = Context().run(self._begin)
        with self._lock:
            self._live[id(instance)] = instance
        return instance

    def _finish(self, instance: BaseAdapter) -> None:
        with self._lock:
            if self._live.pop(id(instance), None) is None:
                return
            self._ending += 1
        try:
            Context().run(self._end, instance)
        finally:
            with self._lock:
                self._ending -= 1
                self._lock.notify_all()
