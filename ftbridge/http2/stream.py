"""Streams: the state that both halves of a connection keep about each.

Every field belongs to exactly one half, named below; the other half only reads it. That, and not
a lock, is what lets one thread read a connection while others write it. This module must never
import anything of ftbridge.
"""

from collections import deque
from typing import Any

__all__ = ["RecentIds", "Stream"]


class Stream:
    """A request and its response (RFC 9113 section 5).

    Public to the owner:

    Attributes:
        id: the stream identifier.
        app: the owner's own object for this stream (its call); never touched here.
        recv_closed: the peer will send nothing more, or nothing more will be listened to.
        send_closed: END_STREAM is sent or queued; no more can be sent.
        reset: the stream ended by RST_STREAM or by a stream error; sends are dropped silently.
        queued: octets handed to ``send_data`` that still wait for a flow-control window.

    For the halves, R written by the read half only, S by the send half only:

    Attributes:
        received: R, flow-controlled octets received.
        increments: R, sum of the WINDOW_UPDATE increments received.
        remaining: R, octets still promised by content-length; None without one.
        head_seen: R, a final (not 1xx) header block arrived.
        granted: S, octets granted by WINDOW_UPDATE on top of the initial window.
        uncredited: S, octets consumed by the owner and not yet granted again.
        send_credit: S, the part of ``increments`` that ``apply`` has taken over.
        sent: S, flow-controlled octets sent. Raised before the octets can leave the process.
        announced: S, the peer has been told of this stream (always True on a server).
        queue, offset: S, data waiting for a window, and how much of its first piece is sent;
            ``offset`` and ``finale`` are there once ``queue`` has been made.
        finale: S, what follows the queue: None nothing yet, b"" END_STREAM, else the trailers.
        sides: one element per side still open. ``list.pop`` is atomic, so of two halves that
            close their sides at once at least the later one sees the list empty.
    """

    __slots__ = (
        "announced",
        "app",
        "finale",
        "granted",
        "head_seen",
        "id",
        "increments",
        "offset",
        "queue",
        "queued",
        "received",
        "recv_closed",
        "remaining",
        "reset",
        "send_closed",
        "send_credit",
        "sent",
        "sides",
        "uncredited",
    )

    offset: int
    finale: bytes | None

    def __init__(self, id: int, announced: bool, remaining: int | None = None) -> None:
        self.id = id
        self.app: Any = None
        self.recv_closed = False
        self.send_closed = False
        self.reset = False
        self.queued = 0
        self.received = 0
        self.increments = 0
        self.remaining = remaining
        self.head_seen = announced
        self.granted = 0
        self.uncredited = 0
        self.send_credit = 0
        self.sent = 0
        self.announced = announced
        self.queue: deque[bytes] | None = None
        self.sides = [None, None]

    def __repr__(self) -> str:
        state = "".join(
            f" {name}" for name in ("recv_closed", "send_closed", "reset") if getattr(self, name)
        )
        return f"<Stream {self.id}{state} queued={self.queued}>"


class RecentIds:
    """A bounded memory of stream ids; one thread adds, any thread asks ``id in memory.ids``."""

    __slots__ = ("_bound", "_order", "ids")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._order: deque[int] = deque()
        self.ids: dict[int, None] = {}

    def add(self, id: int) -> None:
        """Remember ``id``; past the bound the oldest is forgotten."""
        if id in self.ids:
            return
        self.ids[id] = None
        self._order.append(id)
        if len(self._order) > self._bound:
            self.ids.pop(self._order.popleft(), None)
