"""The embedded host's sessions.

A session is a name under which calls share metadata and registered tools. The Elixir host keeps
them in an ETS table; standing alone, the server keeps them here, by the same rules: creating is
idempotent, use renews, an unused session expires, their number is bounded.

Every call looks its session up, so that way takes no lock: one dict read and one comparison.
Whatever changes the table (create, remove, sweep, and renewing, which each session does at most
once per `SessionStore.touch_step`) goes through one lock. There is no sweeper thread: an expired
session counts as missing at once, and its memory goes with the first renewal or creation that
finds a sweep due.

Never imports the transport or the wire format: a session knows nothing of gRPC.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ftlocks import ThreadLocal

from .naming import utf8_size

if TYPE_CHECKING:
    from .registry import RegisteredTool

DEFAULT_TTL_SECONDS = 3600.0
"""Idle time after which a session expires; the Elixir host's default."""

DEFAULT_QUOTA = 10_000
"""Sessions that may exist at once; the Elixir host's default."""

MAX_SESSION_ID_BYTES = 256
"""Names of 30 to 60 bytes are seen in practice. The bound keeps a full table from holding
10,000 identifiers that are each as long as a message may be."""

MAX_METADATA_BYTES = 64 * 1024
"""Keys and values of one session's metadata together, in UTF-8. The host sends about 100 bytes."""

SWEEPS_PER_TTL = 60
"""A sweep is due this often within one time to live: every minute with the default."""

MAX_TOUCH_STEP_SECONDS = 1.0
"""Longest time a renewal may be put off; it shortens a session's life by at most that."""

_NO_TOOLS: Mapping[str, RegisteredTool] = MappingProxyType({})
_NO_METADATA: Mapping[str, str] = MappingProxyType({})


class SessionQuotaError(Exception):
    """Every place is taken by a live session."""

    def __init__(self, quota: int) -> None:
        super().__init__(
            f"session_quota_exceeded: {quota} sessions are open, which is the limit; "
            "clean up sessions that are no longer used or raise the quota"
        )
        self.quota = quota


MAX_RECENT = 256
"""Sessions that one thread remembers; past it the thread starts anew."""


class InvalidSessionError(ValueError):
    """The session's name or metadata breaks a bound."""


class Session:
    """One session. Created by `SessionStore` only.

    Attributes:
        session_id: its name.
        metadata: what its creator gave; never changes.
        created_at: Unix time in nanoseconds.
        last_used: time of the last recorded use, on the store's clock; written by the store.
        tools: tools registered for this session. The mapping is never changed, only replaced as
            a whole by `ToolRegistry`, so a reader may keep iterating over the one it has.
        closed: True once it has left the store.
        peer: what the line to a host elsewhere keeps about it; written by `RemoteHostLink`.
    """

    __slots__ = ("closed", "created_at", "last_used", "metadata", "peer", "session_id", "tools")

    def __init__(
        self, session_id: str, metadata: Mapping[str, str], created_at: int, now: float
    ) -> None:
        self.session_id = session_id
        self.metadata = metadata
        self.created_at = created_at
        self.last_used = now
        self.tools: Mapping[str, RegisteredTool] = _NO_TOOLS
        self.closed = False
        self.peer: object = None

    def __repr__(self) -> str:
        return f"Session({self.session_id!r}, {len(self.tools)} registered tools)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatistics:
    """Counts since the store was made, and how many sessions are in it now."""

    open: int
    created: int
    removed: int
    expired: int


class SessionStore:
    """Sessions by name: created on demand, renewed by use, expired when idle, bounded in number.

    Safe to use from any thread. ``create()`` and ``remove()`` are linearizable (one lock).
    Whatever a thread did before ``create()`` happens before the return of any ``get()`` or
    ``ensure()`` that yields that session: the insertion into the table publishes it. A ``get()``
    that runs beside a ``remove()`` may return either answer; one that starts after
    ``remove()`` returned never sees the session.

    Args:
        ttl: seconds without use after which a session expires.
        quota: sessions that may exist at once.
        clock: monotonic seconds; measures idleness.
        wall_clock: Unix time in nanoseconds; stamps `Session.created_at`.
    """

    def __init__(
        self,
        *,
        ttl: float = DEFAULT_TTL_SECONDS,
        quota: int = DEFAULT_QUOTA,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if not ttl > 0:
            raise ValueError(f"ttl={ttl!r} must be above 0 seconds")
        if quota < 1:
            raise ValueError(f"quota={quota!r} must be at least 1")
        self._ttl = ttl
        self._quota = quota
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        # What this thread has looked up, and when it was last renewed then. Reading the
        # shared table costs a lock on 3.13t whenever the key or the stamp was made by another
        # thread (their reference counts are not yet shared), and all handlers would queue there.
        self._recent: ThreadLocal[dict[str, tuple[Session, float]]] = ThreadLocal(
            dict, name="recent sessions"
        )
        self._touch_step = min(MAX_TOUCH_STEP_SECONDS, ttl / SWEEPS_PER_TTL)
        self._sweep_every = ttl / SWEEPS_PER_TTL
        self._next_sweep = clock() + self._sweep_every
        self._created = 0
        self._removed = 0
        self._expired = 0

    @property
    def ttl(self) -> float:
        """Seconds without use after which a session expires."""
        return self._ttl

    @property
    def touch_step(self) -> float:
        """Uses closer together than this many seconds count as one, so that they need no write."""
        return self._touch_step

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_id: str) -> Session | None:
        """The live session of that name, renewed; None when there is none or it has expired."""
        now = self._clock()
        recent = self._recent.get()
        entry = recent.get(session_id)
        if entry is not None and now - entry[1] < self._touch_step and not entry[0].closed:
            return entry[0]
        with self._lock:
            session = self._renew(session_id, now)
        if session is None:
            recent.pop(session_id, None)
        else:
            _remember(recent, session)
        return session

    def touch(self, session_id: str) -> bool:
        """Renew the session; False when there is none."""
        return self.get(session_id) is not None

    def ensure(self, session_id: str) -> Session:
        """The session of that name, created without metadata if there is none.

        Raises:
            SessionQuotaError: it would have to be created and there is no room.
            InvalidSessionError: it would have to be created and the name is not acceptable.
        """
        session = self.get(session_id)
        return self.create(session_id) if session is None else session

    def create(self, session_id: str, metadata: Mapping[str, str] | None = None) -> Session:
        """Create the session, or renew and return the one that exists; its metadata stays.

        Raises:
            SessionQuotaError: every place is taken by a live session.
            InvalidSessionError: the name is empty or too long, or the metadata too large.
        """
        with self._lock:
            now = self._clock()
            session = self._renew(session_id, now)
            if session is not None:
                return session
            _check(session_id, metadata)
            if len(self._sessions) >= self._quota:
                self._sweep(now)
                if len(self._sessions) >= self._quota:
                    raise SessionQuotaError(self._quota)
            kept = MappingProxyType(dict(metadata)) if metadata else _NO_METADATA
            session = Session(session_id, kept, self._wall_clock(), now)
            self._sessions[session_id] = session
            self._created += 1
            return session

    def remove(self, session_id: str) -> bool:
        """Forget the session and the tools registered for it; False when there was none.

        Calls that already run in it keep the `Session` they have.
        """
        with self._lock:
            now = self._clock()
            session = self._sessions.pop(session_id, None)
            if session is None:
                return False
            session.closed = True  # ftstress: benign(a get beside this may return either)
            if now - session.last_used >= self._ttl:
                self._expired += 1
                return False
            self._removed += 1
            return True

    def sweep(self) -> int:
        """Forget every expired session now; returns how many there were."""
        with self._lock:
            return self._sweep(self._clock())

    def statistics(self) -> SessionStatistics:
        """A consistent snapshot of the counts."""
        with self._lock:
            return SessionStatistics(
                open=len(self._sessions),
                created=self._created,
                removed=self._removed,
                expired=self._expired,
            )

    def _renew(self, session_id: str, now: float) -> Session | None:
        """Renew under the lock, where no sweep can take the session away in between."""
        # Not `get`, which is slow for a key that another thread made (ARCHITECTURE.md).
        session = self._sessions[session_id] if session_id in self._sessions else None
        if session is not None:
            if now - session.last_used >= self._ttl:
                session.closed = True  # ftstress: benign(a get beside this may return either)
                del self._sessions[session_id]
                self._expired += 1
                session = None
            elif now - session.last_used >= self._touch_step:
                session.last_used = now
        if now >= self._next_sweep:
            self._sweep(now)
        return session

    def _sweep(self, now: float) -> int:
        self._next_sweep = now + self._sweep_every
        oldest = now - self._ttl
        expired = [name for name, s in self._sessions.items() if s.last_used <= oldest]
        for name in expired:
            self._sessions.pop(name).closed = True
        self._expired += len(expired)
        return len(expired)


def _remember(recent: dict[str, tuple[Session, float]], session: Session) -> None:
    if len(recent) >= MAX_RECENT:
        recent.clear()
    recent[session.session_id] = (session, session.last_used)


def _check(session_id: str, metadata: Mapping[str, str] | None) -> None:
    if not session_id:
        raise InvalidSessionError("session_id is empty; give the session a name")
    size = utf8_size(session_id)
    if size > MAX_SESSION_ID_BYTES:
        raise InvalidSessionError(
            f"session_id of {size} bytes (it starts {session_id[:40]!r}) is longer than "
            f"{MAX_SESSION_ID_BYTES}"
        )
    if metadata:
        total = sum(utf8_size(key) + utf8_size(value) for key, value in metadata.items())
        if total > MAX_METADATA_BYTES:
            raise InvalidSessionError(
                f"metadata of session {session_id!r} takes {total} bytes; "
                f"the limit is {MAX_METADATA_BYTES}"
            )
