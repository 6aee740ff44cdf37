"""A thread that waits for many sockets at once, and for deadlines.

One reactor owns the read side of its connections: only its thread reads them, so the protocol's
read half needs no lock. Everything else may be called from any thread. This module knows files
and time; it must never import HTTP/2 or gRPC.
"""

from __future__ import annotations

import heapq
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

_log = logging.getLogger("ftbridge.rpc")

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
_MAX_EVENTS = 64  # per wake-up; keeps one busy round short enough for timers
TICK_SECONDS = 0.01
"""Resolution of deadlines. A bucket of this width holds all deadlines that fall into it."""


class Pollable(Protocol):
    """What a reactor watches."""

    def fileno(self) -> int: ...

    def on_ready(self, mask: int, now: float) -> None:
        """The file is readable, writable or broken. Runs on the reactor's thread."""


class Flushable(Protocol):
    """What has output to send."""

    def flush(self) -> None: ...


class Expiring(Protocol):
    """What a reactor can time out."""

    def on_expired(self, now: float) -> None:
        """The deadline has passed. Runs on the reactor's thread."""


class Deadlines:
    """Deadlines in buckets of `TICK_SECONDS`, so that adding and dropping one costs O(1).

    Almost every call ends before its deadline, and a deadline may lie minutes ahead: a plain heap
    would keep every finished call until then. `add` returns the bucket, and the holder discards
    itself from it when it no longer cares. Set operations are atomic, so any thread may discard;
    `add` and `expire` belong to the reactor.
    """

    __slots__ = ("_buckets", "_ticks")

    def __init__(self) -> None:
        self._buckets: dict[int, set[Any]] = {}
        self._ticks: list[int] = []

    def add(self, item: Expiring, deadline: float) -> set[Any]:
        """Expire ``item`` once ``deadline`` (monotonic seconds) has passed."""
        tick = int(deadline / TICK_SECONDS) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = set()
            heapq.heappush(self._ticks, tick)
        bucket.add(item)
        return bucket

    def next_wait(self, now: float) -> float | None:
        """Seconds until the earliest bucket is due; None when there is none."""
        if not self._ticks:
            return None
        return max(0.0, self._ticks[0] * TICK_SECONDS - now)

    def expire(self, now: float) -> list[Expiring]:
        """Remove and return everything whose deadline has passed."""
        due: list[Expiring] = []
        while self._ticks and self._ticks[0] * TICK_SECONDS <= now:
            bucket = self._buckets.pop(heapq.heappop(self._ticks))
            while bucket:
                try:
                    due.append(bucket.pop())
                except KeyError:  # its last item was discarded by another thread just now
                    break
        return due


class Reactor:
    """An epoll loop on a thread of its own.

    Args:
        name: of the thread, as debuggers show it.
        tick: called with the reactor and the time about once a second on the reactor's thread,
            for time-outs of idle things.
    """

    def __init__(self, *, name: str, tick: Callable[[Reactor, float], None] | None = None) -> None:
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake_fd, READ)
        self._watched: dict[int, Pollable] = {}
        self._tasks: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._tick = tick
        self._stopping = False
        # Connections whose output this thread is to send before it sleeps; see `flush_soon`.
        self._dirty: deque[Flushable] = deque()
        self._awake = False
        self.deadlines = Deadlines()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        # A client's reactor may be started by a tool; it must not keep that tool's request.
        Context().run(self.thread.start)

    def call_soon(self, fn: Callable[..., None], *args: Any) -> None:
        """Have the reactor's thread call ``fn(*args)``; in order, from any thread.

        Everything done before `call_soon` happens before ``fn`` runs.
        """
        self._tasks.append((fn, args))
        try:
            os.eventfd_write(self._wake_fd, 1)
        except OSError:  # stopped: nobody is left to run it
            pass

    def flush_soon(self, item: Flushable) -> bool:
        """Have the reactor call ``item.flush()`` before it sleeps; False when it sleeps already.

        While it is awake, answers of several handlers gather and leave in one system call; when
        it sleeps, the handler sends its own, which is quicker than waking a thread for it.

        The caller adds the item and then looks whether the reactor is awake; the reactor says
        that it will sleep and then looks for items. The deque's internal lock, which both take in
        between, orders the two, so that one of them always sees the other.
        """
        if not self._awake:
            return False
        self._dirty.append(item)
        return self._awake

    def watch(self, item: Pollable, mask: int) -> None:
        """Start to report events of ``item`` to its ``on_ready``."""
        fd = item.fileno()
        self._watched[fd] = item
        self._epoll.register(fd, mask)

    def rearm(self, item: Pollable, mask: int) -> None:
        """Change what ``item`` is watched for. Any thread; ignored once it is closed."""
        try:
            self._epoll.modify(item.fileno(), mask)
        except (OSError, ValueError):
            pass

    def forget(self, item: Pollable) -> None:
        """Stop watching. Call it before the file is closed; the reactor's thread only."""
        fd = item.fileno()
        if self._watched.pop(fd, None) is not None:
            try:
                self._epoll.unregister(fd)
            except OSError:
                pass

    def stop(self) -> None:
        """End the loop and wait for its thread (unless called on it)."""
        self._stopping = True
        try:
            os.eventfd_write(self._wake_fd, 1)
        except OSError:
            return
        if self.thread.is_alive() and threading.current_thread() is not self.thread:
            self.thread.join()

    def _run(self) -> None:
        watched = self._watched
        tasks = self._tasks
        dirty = self._dirty
        next_tick = time.monotonic() + 1.0
        try:
            while not self._stopping:
                wait = self.deadlines.next_wait(now := time.monotonic())
                timeout = next_tick - now if wait is None else min(wait, next_tick - now)
                self._awake = False
                if self._flush_dirty():
                    timeout = 0.0  # what has come meanwhile goes first, with what it leads to
                try:
                    events = self._epoll.poll(max(0.0, timeout), _MAX_EVENTS)
                except InterruptedError:
                    continue
                self._awake = True
                now = time.monotonic()
                for fd, mask in events:
                    item = watched.get(fd)
                    if item is not None:
                        self._guarded(item.on_ready, mask, now)
                        if dirty:
                            self._flush_dirty()
                    elif fd == self._wake_fd:
                        os.eventfd_read(fd)
                while tasks:
                    fn, args = tasks.popleft()
                    self._guarded(fn, *args)
                for due in self.deadlines.expire(now):
                    self._guarded(due.on_expired, now)
                if now >= next_tick:
                    next_tick = now + 1.0
                    if self._tick is not None:
                        self._guarded(self._tick, self, now)
        finally:
            self._epoll.close()
            os.close(self._wake_fd)

    def _flush_dirty(self) -> bool:
        """Send what handlers have left here; whether there was anything."""
        dirty = self._dirty
        found = False
        while True:
            try:
                item = dirty.popleft()
            except IndexError:
                return found
            found = True
            self._guarded(item.flush)

    @staticmethod
    def _guarded(fn: Callable[..., None], *args: Any) -> None:
        """One connection's fault must not take the reactor, and all others, with it."""
        try:
            fn(*args)
        except Exception:  # noqa: BLE001 - logged, and the loop goes on
            _log.exception("unexpected error in %s", getattr(fn, "__qualname__", fn))
