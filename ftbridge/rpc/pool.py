"""Threads that run handlers, behind a bounded queue.

Admission control happens here: a full queue refuses at once instead of growing, so that callers
learn early that the server is overloaded. Knows nothing of gRPC: it runs anything with `run`.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ftlocks import ShardedCounter

_log = logging.getLogger("ftbridge.rpc")

SPARE_THREADS = 4
"""Handler threads beyond the usable cores: room for tools that wait instead of computing (the
same allowance as `concurrent.futures`, whose default is cores + 4)."""


class Runnable(Protocol):
    """Work for a handler thread."""

    def run(self) -> None:
        """Do it. Must not raise: the pool logs what does and goes on."""


def default_threads() -> int:
    """Usable cores (affinity and ``-X cpu_count`` respected) plus `SPARE_THREADS`."""
    return (os.process_cpu_count() or 1) + SPARE_THREADS


class HandlerPool:
    """A fixed number of threads that take work in first-in, first-out order.

    Everything done before `submit` happens before the work's ``run``.

    Args:
        threads: how many; at least 1.
        limit: how much may wait. Reactors check it one after the other without a common lock, so
            that the queue can exceed it by at most the number of reactors.
        on_leave: called on each thread before it ends; must not raise.
    """

    def __init__(
        self,
        *,
        threads: int,
        limit: int,
        name: str = "ftbridge-handler",
        on_leave: Callable[[], object] | None = None,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads={threads}: a pool needs at least one")
        self._queue: queue.SimpleQueue[Runnable | None] = queue.SimpleQueue()
        self._limit = limit
        self._on_leave = on_leave
        self._busy = [False] * threads
        self._refused = ShardedCounter(name="work refused")
        self.threads = [
            threading.Thread(target=self._work, args=(n,), name=f"{name}-{n}", daemon=True)
            for n in range(threads)
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Work that no thread has taken yet."""
        return self._queue.qsize()

    @property
    def busy(self) -> int:
        """Threads that are running something."""
        return sum(self._busy)

    @property
    def refused(self) -> int:
        """Work for which there was no room."""
        return self._refused.value()

    def submit(self, work: Runnable) -> bool:
        """Queue ``work``; False, with nothing queued, when the queue is full."""
        if self._queue.qsize() >= self._limit:
            self._refused.add()
            return False
        self._queue.put(work)
        return True

    def add(self, work: Runnable) -> None:
        """Queue ``work`` whatever the limit: for what has been admitted already."""
        self._queue.put(work)

    def stop(self, timeout: float) -> bool:
        """End the threads after what is queued; False if some still ran after ``timeout`` s.

        Such a thread is left to itself: Python has no way to end it.
        """
        for _ in self.threads:
            self._queue.put(None)
        deadline = time.monotonic() + timeout
        for thread in self.threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self.threads)

    def _work(self, index: int) -> None:
        get = self._queue.get
        busy = self._busy
        while (work := get()) is not None:
            busy[index] = True
            try:
                work.run()
            except BaseException:  # noqa: BLE001 - a handler thread must survive everything
                _log.exception("unexpected error in %r", work)
            busy[index] = False
            # Until the next call comes, this name would keep the last one, and its data, alive.
            del work
        if self._on_leave is not None:
            self._on_leave()


class ElasticPool:
    """A thread for each piece of work, up to a limit: for calls that stay open."""

    def __init__(self, *, limit: int, name: str = "ftbridge-stream") -> None:
        self._limit = limit
        self._name = name
        self._lock = threading.Lock()  # two reactors must not both take the last place
        self._live: set[threading.Thread] = set()
        self._refused = ShardedCounter(name="streams refused")

    @property
    def busy(self) -> int:
        with self._lock:
            return len(self._live)

    @property
    def refused(self) -> int:
        """Work for which there was no thread."""
        return self._refused.value()

    def submit(self, work: Runnable) -> bool:
        """Run ``work`` on a thread of its own; False when the limit is reached."""
        thread = threading.Thread(target=self._work, args=(work,), name=self._name, daemon=True)
        with self._lock:
            if len(self._live) >= self._limit:
                self._refused.add()
                return False
            self._live.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the process may have no more threads
            self._leave(thread)
            self._refused.add()
            return False
        return True

    def join(self, timeout: float) -> bool:
        """Wait for what runs now; False if some still ran after ``timeout`` seconds in all."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = list(self._live)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _work(self, work: Runnable) -> None:
        try:
            work.run()
        except BaseException:  # noqa: BLE001 - reported, and the thread ends
            _log.exception("unexpected error in %r", work)
        finally:
            self._leave(threading.current_thread())

    def _leave(self, thread: threading.Thread) -> None:
        with self._lock:
            self._live.discard(thread)
