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

from .pool import HandlerPool, Runnable
from .relay import Relay

_log = logging.getLogger("ftbridge.rpc")

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
_MAX_EVENTS = 64  # per wake-up; keeps one busy round short enough for timers
TICK_SECONDS = 0.01
"""Resolution of deadlines. A bucket of this width holds all deadlines that fall into it."""

FAR_SECONDS = 10.0
"""Deadlines further ahead than this wait in buckets of a second until they come nearer."""

_BURST = 64  # short calls run in a row before the sockets are looked at again
_FLUSH_EVERY = 8
"""Of them between two flushes: the peer takes the first answers while the next are worked out. They
run under one ticket of the relay, and take less than its patrol together while they are short."""
_SHARE_ABOVE = 6  # short calls that wait before a handler thread is woken to take some
_JOIN_SECONDS = 0.5  # for a thread that runs a call when the reactor stops


class Pollable(Protocol):
    """What a reactor watches."""

    def fileno(self) -> int: ...

    def on_ready(self, mask: int, now: float) -> None:
        """The file is readable, writable or broken. Runs on the reactor's thread."""


class Flushable(Protocol):
    """What has output to send, which any thread adds under a lock of the item's own.

    Attributes:
        flush_due: set by `Reactor.flush_soon`; `flush` clears it before it takes that lock.
    """

    flush_due: bool

    def flush(self) -> None: ...


class Bucket(Protocol):
    """Where something waits for its deadline."""

    def discard(self, item: Any, /) -> None:
        """Wait no more; no error when it does not. Any thread."""


class Expiring(Protocol):
    """What a reactor can time out."""

    def on_expired(self, now: float) -> None:
        """The deadline has passed. Runs on the reactor's thread."""


class _Second:
    """Deadlines that fall into one second, far ahead."""

    __slots__ = ("deadlines",)

    def __init__(self) -> None:
        self.deadlines: dict[Expiring, float] = {}

    def discard(self, item: Expiring) -> None:
        self.deadlines.pop(item, None)


class Deadlines:
    """Deadlines in buckets of `TICK_SECONDS`, so that adding and dropping one costs O(1).

    Almost every call ends before its deadline, and a deadline may lie minutes ahead: a plain heap
    would keep every finished call until then. `add` returns the bucket, and the holder discards
    itself from it when it no longer cares. Those far ahead share buckets of a second, which are
    dealt out when they come near (a hierarchical timing wheel: Varghese and Lauck, SOSP 1987), or
    a host's five minutes would keep 30,000 empty buckets. Set and dict operations are atomic, so
    any thread may discard; `add` and `expire` belong to the reactor.
    """

    __slots__ = ("_buckets", "_far", "_now", "_seconds", "_ticks")

    def __init__(self) -> None:
        self._buckets: dict[int, set[Any]] = {}
        self._ticks: list[int] = []
        self._far: dict[int, _Second] = {}
        self._seconds: list[int] = []
        self._now = time.monotonic()

    def __len__(self) -> int:
        """Buckets, with or without something in them."""
        return len(self._buckets) + len(self._far)

    def add(self, item: Expiring, deadline: float) -> Bucket:
        """Expire ``item`` once ``deadline`` (monotonic seconds) has passed."""
        if deadline - self._now > FAR_SECONDS:
            second = int(deadline) - 1  # dealt out one to two seconds before
            if second not in self._far:
                self._far[second] = _Second()
                heapq.heappush(self._seconds, second)
            far = self._far[second]
            far.deadlines[item] = deadline
            return far
        tick = int(deadline / TICK_SECONDS) + 1
        if tick not in self._buckets:
            self._buckets[tick] = set()
            heapq.heappush(self._ticks, tick)
        bucket = self._buckets[tick]
        bucket.add(item)
        return bucket

    def next_wait(self, now: float) -> float | None:
        """Seconds until the earliest bucket is due; None when there is none."""
        wait = self._ticks[0] * TICK_SECONDS - now if self._ticks else None
        if self._seconds and (wait is None or self._seconds[0] - now < wait):
            wait = self._seconds[0] - now
        return None if wait is None else max(0.0, wait)

    def expire(self, now: float) -> list[Expiring]:
        """Remove and return everything whose deadline has passed."""
        self._now = now
        while self._seconds and self._seconds[0] <= now:
            far = self._far.pop(heapq.heappop(self._seconds)).deadlines
            # One that is discarded from now on expires all the same: its call has ended, and
            # ending it again does nothing.
            for item, deadline in far.copy().items():
                self.add(item, min(deadline, now + FAR_SECONDS))
        due: list[Expiring] = []
        while self._ticks and self._ticks[0] * TICK_SECONDS <= now:
            bucket = self._buckets.pop(heapq.heappop(self._ticks))
            while bucket:
                try:
                    due.append(bucket.pop())
                except KeyError:  # its last item was discarded by another thread just now
                    break
        return due


def _run_one(work: Runnable) -> None:
    try:
        work.run()
    except BaseException:  # noqa: BLE001 - one call's fault must not end the others
        _log.exception("unexpected error in %r", work)


class _Helper:
    """What a handler thread runs to take short calls off a reactor's hands."""

    __slots__ = ("_ready", "out")

    def __init__(self, ready: deque[Runnable]) -> None:
        self._ready = ready
        self.out = False  # handed to the pool, and not done yet

    def run(self) -> None:
        ready = self._ready
        while True:
            try:
                work = ready.popleft()
            except IndexError:
                break
            _run_one(work)
        self.out = False


class _Batch:
    """A few short calls, which the reactor's thread runs itself under one ticket of its relay.

    A thread that lost the role meanwhile finishes its batch beside the new holder, as a handler
    would: the calls have nothing to do with each other.
    """

    __slots__ = ("_ready",)

    def __init__(self, ready: deque[Runnable]) -> None:
        self._ready = ready

    def run(self) -> None:
        ready = self._ready
        for _ in range(_FLUSH_EVERY):
            try:
                work = ready.popleft()
            except IndexError:
                return
            _run_one(work)


class Reactor:
    """An epoll loop on a thread of its own.

    Args:
        name: of the thread, as debuggers show it.
        tick: called with the reactor and the time about once a second on the reactor's thread,
            for time-outs of idle things.
        pool: with it, the reactor may run short work itself (`run_soon`), the pool's threads
            taking a share; a `Relay` then keeps a second thread ready, so that "the reactor's
            thread" is whichever of the two has the role.
        on_leave: called on each thread that ran such work before it ends; must not raise.
    """

    def __init__(
        self,
        *,
        name: str,
        tick: Callable[[Reactor, float], None] | None = None,
        pool: HandlerPool | None = None,
        on_leave: Callable[[], object] | None = None,
    ) -> None:
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
        self._next_tick = 0.0
        self._ready: deque[Runnable] = deque()
        self._helper = _Helper(self._ready)
        self._batch = _Batch(self._ready)
        self._pool = pool
        self._relay = None if pool is None else Relay(self._run, name=name, on_leave=on_leave)
        if self._relay is None:
            self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        else:
            self.thread = self._relay.threads[0]

    def start(self) -> None:
        self._next_tick = time.monotonic() + 1.0
        # A client's reactor may be started by a tool; it must not keep that tool's request.
        Context().run(self.thread.start if self._relay is None else self._relay.start)

    @property
    def busy(self) -> int:
        """Threads of the reactor's own that are running a call."""
        return 0 if self._relay is None else self._relay.busy

    def run_soon(self, work: Runnable, limit: int) -> bool:
        """Have ``work``, which is expected to be short, run once the sockets have been read.

        On the reactor's thread only; it runs there or on a thread of the pool. Needs a pool.
        False, with nothing done, when ``limit`` wait already.
        """
        ready = self._ready
        if len(ready) >= limit:
            return False
        ready.append(work)
        return True

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

        An item that is there already need not be added again: had its `flush` taken the item's
        lock before the caller, who adds output under it, then the caller would see ``flush_due``
        cleared; and a `flush` that takes it after the caller finds the output.
        """
        if not self._awake:
            return False
        if not item.flush_due:
            item.flush_due = True
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
        if self._relay is not None:
            self._relay.stop(_JOIN_SECONDS)
        elif self.thread.is_alive() and threading.current_thread() is not self.thread:
            self.thread.join()

    def _run(self, seat: int = 0) -> bool:
        """The loop; True when the role has passed to the other thread, False at the end."""
        watched = self._watched
        tasks = self._tasks
        dirty = self._dirty
        ready = self._ready
        lost = False
        try:
            while not self._stopping:
                now = time.monotonic()
                wait = self.deadlines.next_wait(now)
                timeout = self._next_tick - now
                if wait is not None and wait < timeout:
                    timeout = wait
                if ready:
                    timeout = 0.0
                else:
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
                    if fd in watched:  # only this thread takes out; `get` is slow (ftlocks.tables)
                        item = watched[fd]
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
                if now >= self._next_tick:
                    self._next_tick = now + 1.0
                    if self._tick is not None:
                        self._guarded(self._tick, self, now)
                if ready and not self._run_ready(seat):
                    lost = True
                    return True
            return False
        finally:
            if not lost:
                self._epoll.close()
                os.close(self._wake_fd)

    def _run_ready(self, seat: int) -> bool:
        """Run short calls; False when one was not, and the role has gone to the other thread."""
        ready = self._ready
        relay, pool = self._relay, self._pool
        assert relay is not None
        assert pool is not None
        manned = relay.manned
        if not self._helper.out and (not manned or len(ready) > _SHARE_ABOVE):
            self._helper.out = True
            pool.add(self._helper)
        if not manned:
            return True
        for _ in range(_BURST // _FLUSH_EVERY):
            if not ready:
                break
            if not relay.lend(seat, self._batch):
                return False
            if self._dirty:
                self._flush_dirty()
        return True

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
