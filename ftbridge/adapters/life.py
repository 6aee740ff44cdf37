"""The life of an adapter's instances and of the event loops of its async code.

Builds, sets up and takes down, and knows which instance serves a request. Must never run a tool.
"""

import inspect
import logging
import threading
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Final, cast

from ftbridge.adapters import inherit
from ftbridge.adapters.base import SURROUNDINGS, BaseAdapter, Surroundings
from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import HostClosedError
from ftbridge.adapters.frozen import frozen_mapping
from ftbridge.adapters.lifetimes import ThreadInstances, check_context_attribute, choose_lifetime
from ftbridge.adapters.threaded import ThreadSafeAdapter, new_storage
from ftbridge.adapters.tracking import RequestTracker
from ftlocks import ThreadLocal

if TYPE_CHECKING:
    from ftbridge.adapters.base import Lifetime
    from ftbridge.adapters.loops import HandlerLoop

_log = logging.getLogger("ftbridge.adapters")


class AdapterLife:
    """Instances and loops of one served adapter class; for `AdapterHost` alone.

    Every method may be called from any thread; what `open` did happens before every `obtain`
    after it.

    Raises:
        InvalidToolError: there is no such lifetime.
        ThreadSafetyError: the class cannot have it.
    """

    def __init__(
        self,
        adapter_class: type[BaseAdapter],
        *,
        lifetime: "Lifetime | None",
        config: Mapping[str, object],
    ) -> None:
        self._class = adapter_class
        self.lifetime: Final = choose_lifetime(adapter_class, lifetime)
        check_context_attribute(adapter_class, self.lifetime)
        self.outlives_request = self.lifetime != "request"
        threaded = issubclass(adapter_class, ThreadSafeAdapter)
        # `setup` of a `BaseAdapter` that lives for a request is a method like any other.
        self._has_setup = self.outlives_request or threaded
        self._ends_with_request = self._has_setup and not self.outlives_request
        self._tracker = RequestTracker() if threaded else None
        self._surroundings = Surroundings(
            config=frozen_mapping(config),
            outlives_request=self.outlives_request,
            storage=new_storage(adapter_class) if threaded else None,
            tracker=self._tracker,
        )
        self._instance: BaseAdapter | None = None
        self._thread_instances = (
            ThreadInstances(self._begin, self._end) if self.lifetime == "thread" else None
        )
        self._open = False
        self._loops: ThreadLocal[HandlerLoop] | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """See `AdapterHost.open`."""
        with self._lock:
            if self._open:
                return
            if self.lifetime == "process":
                try:
                    self._instance = self._begin()
                except BaseException:
                    self._close_loops()
                    raise
            inherit.install()
            self._open = True

    def close(self) -> None:
        """See `AdapterHost.close`."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            inherit.uninstall()
            instance, self._instance = self._instance, None
            try:
                if instance is not None:
                    self._end(instance)
                if self._thread_instances is not None:
                    self._thread_instances.close()
            finally:
                self._close_loops()

    def leave_thread(self) -> None:
        """See `AdapterHost.leave_thread`."""
        try:
            if self._thread_instances is not None:
                self._thread_instances.leave()
        except BaseException:  # noqa: BLE001 - whatever the author's teardown raises
            _log.exception("%s.teardown failed", self._class.__qualname__)
        loops = self._loops
        loop = None if loops is None else loops.peek(None)
        if loops is not None and loop is not None:
            loops.discard()
            loop.close()

    def obtain(self) -> BaseAdapter:
        """The instance for a request; `release` is due from here on."""
        instance = self._instance
        if instance is None:
            if not self._open:
                raise HostClosedError(f"{self._class.__qualname__} is not open")
            instances = self._thread_instances
            instance = self._begin() if instances is None else instances.obtain()
        if self._tracker is not None:
            self._tracker.begin()
        return instance

    def release(self, instance: BaseAdapter) -> None:
        """The request is over."""
        if self._tracker is not None:
            self._tracker.end()
        if self._ends_with_request:
            self._end(instance)

    def settle(self, result: object, context: SessionContext) -> None:
        """Run an async hook to its end."""
        if result is not None and inspect.isawaitable(result):
            # Clean-up must run although the call is over, so the hook has a context of its own.
            self.loop().run(cast("Awaitable[object]", result), SessionContext(context.session_id))

    def loop(self) -> "HandlerLoop":
        """This thread's event loop."""
        loops = self._loops
        if loops is None:
            loops = self._make_loops()
        return loops.get()

    def _begin(self) -> BaseAdapter:
        """A new instance, set up."""
        token = SURROUNDINGS.set(self._surroundings)
        try:
            instance = self._class()
        finally:
            SURROUNDINGS.reset(token)
        self._hook(instance, "setup")
        return instance

    def _end(self, instance: BaseAdapter) -> None:
        self._hook(instance, "teardown")

    def _hook(self, instance: BaseAdapter, name: str) -> None:
        hook = getattr(instance, name, None) if self._has_setup else None
        if hook is not None:
            self.settle(hook(), SessionContext())

    def _make_loops(self) -> "ThreadLocal[HandlerLoop]":
        from ftbridge.adapters.loops import HandlerLoop  # asyncio: only for those who use it

        with _LOOPS_LOCK:
            if self._loops is None:
                self._loops = ThreadLocal(
                    HandlerLoop, finalizer=HandlerLoop.close, name="event loops of async tools"
                )
            return self._loops

    def _close_loops(self) -> None:
        loops, self._loops = self._loops, None
        for loop in loops.values() if loops is not None else ():
            loop.close()


_LOOPS_LOCK: Final = threading.Lock()
