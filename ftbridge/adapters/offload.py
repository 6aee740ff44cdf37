"""Daemon threads for work that blocks: of async tools, and of the bridge behind a call's back.

`concurrent.futures` joins its threads when the interpreter ends, so that one call to a host that
hangs would keep the process alive; these threads it may leave behind. They are started as needed,
up to a limit, kept for the next piece of work, and end when there has been none for a while.

Must never import asyncio when it is imported: adapters without async tools do not need it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

_log = logging.getLogger("ftbridge.adapters")

MAX_THREADS: Final = 64
"""Work beyond it waits for a thread. Each waits for a host most of its life, at about 60 KB."""

IDLE_SECONDS: Final = 10.0
"""A thread that has had nothing to do for so long ends."""


class Offload:
    """Runs what it is given on threads of its own, first in, first out.

    Everything done before `submit` happens before the work. Work that finds all threads taken
    waits; it must not wait for other work, or both may wait for ever.
    """

    def __init__(
        self,
        *,
        threads: int = MAX_THREADS,
        idle: float = IDLE_SECONDS,
        name: str = "ftbridge-offload",
    ) -> None:
        self._limit = threads
        self._idle_seconds = idle
        self._name = name
        self._changed = threading.Condition()
        self._queue: deque[Callable[[], object]] = deque()
        self._live = 0
        self._idle = 0

    @property
    def threads(self) -> int:
        """How many threads there are now."""
        return self._live

    def submit(self, work: Callable[[], object]) -> None:
        """Run ``work()`` soon. Never waits; what it raises is logged."""
        with self._changed:
            self._queue.append(work)
            if len(self._queue) <= self._idle or self._live >= self._limit:
                self._changed.notify()
                return
            self._live += 1
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        # Of no request, although one of them starts it: it serves others after it.
        Context().run(thread.start)

    async def run(self, work: Callable[[], object]) -> object:
        """What ``work()`` returns or raises, awaited without blocking the event loop.

        The work runs in a copy of the caller's context. Cancelling the awaiting task does not
        end the work: its outcome is dropped.
        """
        from asyncio import get_running_loop  # whoever awaits this has imported it

        loop = get_running_loop()
        future: Future[object] = loop.create_future()
        self.submit(_Awaited(work, loop, future).run)
        return await future

    def _work(self) -> None:
        changed, waiting = self._changed, self._queue
        while True:
            with changed:
                self._idle += 1
                try:
                    while not waiting:
                        if not changed.wait(self._idle_seconds) and not waiting:
                            self._live -= 1
                            return
                    work = waiting.popleft()
                finally:
                    self._idle -= 1
            try:
                work()
            except BaseException:  # noqa: BLE001 - reported; the thread serves others too
                _log.exception("unexpected error in %r", work)
            del work  # or this thread would keep it alive while it waits


class _Awaited:
    """Work whose outcome an event loop waits for."""

    __slots__ = ("_context", "_future", "_loop", "_work")

    def __init__(
        self, work: Callable[[], object], loop: AbstractEventLoop, future: Future[object]
    ) -> None:
        self._work = work
        self._loop = loop
        self._future = future
        self._context = copy_context()

    def run(self) -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = self._context.run(self._work)
        except BaseException as raised:  # noqa: BLE001 - handed to whoever awaits it
            error = raised
        try:
            self._loop.call_soon_threadsafe(self._finish, value, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass

    def _finish(self, value: object, error: BaseException | None) -> None:
        if self._future.done():
            return
        if error is None:
            self._future.set_result(value)
        elif isinstance(error, StopIteration):  # a future refuses it
            self._future.set_exception(RuntimeError(f"the work raised {error!r}"))
        else:
            self._future.set_exception(error)


OFFLOAD: Final = Offload()
"""The process's own; it starts no thread before it is used."""
