"""What the two halves of a connection know in common.

The read half runs on one thread and the send half under the owner's write lock on any other, so
there is no lock between them. It needs none, for three reasons:

* every field here has one writer (named below), and a single load or store is atomic;
* ``streams`` and ``owed`` have two writers but only see single dict operations, which are atomic;
* counters only grow, and causality runs through the peer. The read half compares what arrived
  with what we had granted or sent: octets that answer a grant cannot arrive before the grant was
  counted, so a stale value never accuses an honest peer.

This module must never import the halves.
"""

from ftbridge.http2.limits import DEFAULT_WINDOW, MAX_WINDOW, RESET_MEMORY, Limits
from ftbridge.http2.stream import RecentIds, Stream

__all__ = ["Shared"]


class Shared:
    """State of one connection that both halves look at.

    Attributes:
        streams: open and half-closed streams by id. The read half (server) or ``open_stream``
            (client) inserts; whoever closes the second side, or resets, removes.
        owed: ids the peer broke a rule on; RST_STREAM is due. Read half inserts, send half pops.
        highest: read half; the highest stream id the peer has opened.
        peer_goaway: read half; last_stream_id of the peer's GOAWAY, None before one.
        granted: send half; flow-controlled octets the peer may send in all.
        sent: send half; flow-controlled octets sent in all.
        settings_sent: send half; SETTINGS frames sent.
        next_id: send half; the id ``open_stream`` will give out next (client).
        goaway_last: send half; last_stream_id of our GOAWAY, the largest id before one.
        reset_by_us: send half; ids we sent RST_STREAM on.
    """

    __slots__ = (
        "client",
        "goaway_last",
        "granted",
        "highest",
        "limits",
        "next_id",
        "owed",
        "peer_goaway",
        "reset_by_us",
        "sent",
        "settings_sent",
        "streams",
    )

    def __init__(self, *, client: bool, limits: Limits) -> None:
        self.client = client
        self.limits = limits
        self.streams: dict[int, Stream] = {}
        self.owed: dict[int, None] = {}
        self.highest = 0
        self.peer_goaway: int | None = None
        self.granted = DEFAULT_WINDOW
        self.sent = 0
        self.settings_sent = 0
        self.next_id = 1
        self.goaway_last = MAX_WINDOW
        self.reset_by_us = RecentIds(RESET_MEMORY)
