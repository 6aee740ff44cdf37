"""Which events a telemetry stream wants: switched on, not filtered out, and sampled.

A `Selection` never changes; a control message makes a new one. So a thread that emits sees either
the settings before the message or those after it, and never the allow list of one with the deny
list of the other.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from ftbridge.wire import messages

_log = logging.getLogger("ftbridge.telemetry")

MAX_PATTERNS = 256
"""Patterns of a filter or sampling update that are kept. Each event is matched against them."""

_FRACTION_BITS = 32
_MULTIPLIER = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio: consecutive keys, multiplied by it, spread evenly over the
high bits (Knuth, The Art of Computer Programming, volume 3, section 6.4)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One stream's settings."""

    enabled: bool = True
    threshold: int = 1 << _FRACTION_BITS
    sampled: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def wants(self, name: str, key: int) -> bool:
        """Whether the event ``name`` of the call with this sampling key is wanted."""
        if not self.enabled:
            return False
        if self.deny and _matches(name, self.deny):
            return False
        if self.allow and not _matches(name, self.allow):
            return False
        if self.threshold >> _FRACTION_BITS or (self.sampled and not _matches(name, self.sampled)):
            return True
        mixed = key * _MULTIPLIER & 0xFFFF_FFFF_FFFF_FFFF
        return mixed >> (64 - _FRACTION_BITS) < self.threshold

    def after(self, control: messages.TelemetryControl) -> Selection:
        """The settings that follow a control message.

        An empty pattern list means every event. A sampling rate outside 0 to 1 is taken as the
        nearer bound; one that is not a number changes nothing.
        """
        if control.toggle is not None:
            return replace(self, enabled=control.toggle.enabled)
        if control.sampling is not None:
            rate = control.sampling.sampling_rate
            if math.isnan(rate):
                _log.warning("ignoring a telemetry sampling rate that is not a number")
                return self
            return replace(
                self,
                threshold=round(min(1.0, max(0.0, rate)) * (1 << _FRACTION_BITS)),
                sampled=tuple(control.sampling.event_patterns[:MAX_PATTERNS]),
            )
        if control.filter is not None:
            return replace(
                self,
                allow=tuple(control.filter.allow[:MAX_PATTERNS]),
                deny=tuple(control.filter.deny[:MAX_PATTERNS]),
            )
        return self


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
