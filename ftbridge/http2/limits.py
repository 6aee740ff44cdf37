"""How much one peer may ask of us: every bound of the protocol core, with its origin.

A bound is either announced to the peer (SETTINGS) or silent (abuse). Breaking a silent one is a
connection error ENHANCE_YOUR_CALM unless its comment says otherwise. This module must never
import anything of ftbridge.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["Limits"]

KIB: Final = 1024
MIB: Final = 1024 * KIB

MIN_MAX_FRAME_SIZE: Final = 16 * KIB
"""Octets; every peer takes frames of this size (RFC 9113 section 4.2)."""

MAX_MAX_FRAME_SIZE: Final = (1 << 24) - 1
"""Octets; the length field has 24 bits (RFC 9113 section 6.5.2)."""

MAX_WINDOW: Final = (1 << 31) - 1
"""Octets; the largest flow-control window (RFC 9113 section 6.9.1)."""

DEFAULT_WINDOW: Final = 65_535
"""Octets; the window of a stream and of the connection before any SETTINGS (6.9.2)."""

DEFAULT_HEADER_TABLE_SIZE: Final = 4096
"""Octets; the dynamic table before any SETTINGS (RFC 9113 section 6.5.2)."""

# --- announced -------------------------------------------------------------------------------

MAX_FRAME_SIZE: Final = 64 * KIB
"""Octets. Four times the RFC's minimum, a sixteenth of Go's 1 MiB: a 100 MiB message makes 1,600
events instead of 6,400, and the partial frame an idle connection may leave behind stays small."""

INITIAL_WINDOW_SIZE: Final = 1 * MIB
"""Octets a stream may send ahead. Go's HTTP/2 server: 1 MiB."""

CONNECTION_WINDOW: Final = 16 * MIB
"""Octets all streams of a connection may send ahead: the BDP ceiling of gRPC (16 MiB)."""

MAX_CONCURRENT_STREAMS: Final = 4096
"""Open streams of one connection. gRPC sets no bound, nginx 128, Go 250: a host that keeps
thousands of long calls on its single connection must fit; admission control sits above."""

MAX_HEADER_LIST_SIZE: Final = 32 * KIB
"""Octets, counted as RFC 9113 section 6.5.2 does (32 more for each field). nginx takes 32 KiB of
request headers (4 buffers of 8 KiB), gRPC 8 to 16 KiB, Go 1 MiB. More is a stream error."""

HEADER_TABLE_SIZE: Final = DEFAULT_HEADER_TABLE_SIZE
"""Octets of dynamic table kept for the peer's encoder. The RFC's default; more buys nothing once
header blocks are cached."""

# --- silent ----------------------------------------------------------------------------------

HEADER_BLOCK_FACTOR: Final = 4
"""A header block whose encoded or decoded size passes this many times max_header_list_size ends
the connection; below that only the stream. Decoding on keeps the dynamic table true; the factor
bounds that work (HPACK bomb, CVE-2016-6581)."""

MAX_HEADER_BLOCK_FRAMES: Final = 8
"""CONTINUATION frames of one header block. nghttp2's NGHTTP2_DEFAULT_MAX_CONTINUATIONS, its
answer to the CONTINUATION flood (CVE-2024-28182; Node's CVE-2024-27983)."""

RESET_BURST: Final = 1000
"""Streams that may end by RST_STREAM or by a stream error at once. nghttp2's
NGHTTP2_DEFAULT_STREAM_RESET_BURST, against rapid reset (CVE-2023-44487) and its mirror, where
the peer provokes our own RST_STREAM (CVE-2025-8671)."""

MAX_RESET_RATE: Final = 500
"""The same per second in the long run. nghttp2 takes 33; a gRPC client resets every call whose
deadline passes, so an overloaded but honest host must fit. Attacks ran at 100,000 and more."""

MAX_CONTROL_FRAMES: Final = 5000
"""PING, SETTINGS, PRIORITY and unknown frames per second, and at once (CVE-2019-9512, -9513,
-9515). A Go client sends one PING per round trip while data flows: several thousand a second on
a loopback."""

SETTINGS_WEIGHT: Final = 50
"""Control frames that one SETTINGS counts for: it is acknowledged, and a new initial window walks
over every open stream. 100 a second remain; gRPC's flow control sends a handful."""

MAX_EMPTY_FRAMES: Final = 100
"""DATA frames in a row that carry neither payload nor END_STREAM (CVE-2019-9518). Envoy takes 1,
Netty 2; a few more harm nobody."""

MAX_OUTGOING_CONTROL: Final = 1000
"""Acknowledgements and resets waiting in our own output because the peer does not read it
(CVE-2019-9512, -9514, -9515). nghttp2's NGHTTP2_DEFAULT_MAX_OBQ_FLOOD_ITEM and Envoy's
max_outbound_control_frames."""

WINDOW_UPDATE_BURST: Final = 1000
"""WINDOW_UPDATE frames beyond those that our DATA explains."""

WINDOW_UPDATES_PER_DATA: Final = 10
"""WINDOW_UPDATE frames that one DATA frame of ours explains. Envoy's
max_inbound_window_update_frames_per_data_frame_sent (CVE-2019-9511, data dribble)."""

RESET_MEMORY: Final = 1000
"""Streams per side that we remember as reset, so that late frames on them are told from broken
ones (RFC 9113 section 5.1, "closed"). Not an abuse bound: the oldest is forgotten."""

HEADER_CACHE_ENTRIES: Final = 128
"""Decoded header blocks kept for a connection. A client repeats a handful."""

HEADER_CACHE_BYTES: Final = 64 * KIB
"""Octets of encoded plus decoded size of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one connection; sizes in octets. Each default's origin is at its constant.

    Raises:
        ValueError: a value that cannot be announced (RFC 9113 section 6.5.2) or would let
            nothing through.
    """

    max_frame_size: int = MAX_FRAME_SIZE
    initial_window_size: int = INITIAL_WINDOW_SIZE
    connection_window: int = CONNECTION_WINDOW
    max_concurrent_streams: int = MAX_CONCURRENT_STREAMS
    max_header_list_size: int = MAX_HEADER_LIST_SIZE
    header_table_size: int = HEADER_TABLE_SIZE
    max_header_block_frames: int = MAX_HEADER_BLOCK_FRAMES
    max_reset_rate: int = MAX_RESET_RATE
    reset_burst: int = RESET_BURST
    max_control_frames: int = MAX_CONTROL_FRAMES
    max_empty_frames: int = MAX_EMPTY_FRAMES
    max_outgoing_control: int = MAX_OUTGOING_CONTROL
    window_update_burst: int = WINDOW_UPDATE_BURST

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_frame_size", MIN_MAX_FRAME_SIZE, MAX_MAX_FRAME_SIZE),
            ("initial_window_size", 0, MAX_WINDOW),
            ("connection_window", DEFAULT_WINDOW, MAX_WINDOW),
            ("max_concurrent_streams", 0, MAX_WINDOW),
            ("max_header_list_size", 1, MAX_WINDOW),
            ("header_table_size", 0, MAX_WINDOW),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(
                    f"{name}={value} is outside {low}..{high} (RFC 9113 section 6.5.2)"
                )
        for name in ("max_header_block_frames", "max_reset_rate", "reset_burst"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} is negative; 0 allows none")
        for name in (
            "max_control_frames",
            "max_empty_frames",
            "max_outgoing_control",
            "window_update_burst",
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}={getattr(self, name)} would end every connection; use >= 1"
                )
