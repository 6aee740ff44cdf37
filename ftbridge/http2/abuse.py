"""Rate limits against peers that keep to the letter of the protocol and still do harm.

Time comes in as an argument, so tests need no clock. This module must never import anything of
ftbridge.
"""

__all__ = ["RateLimit"]


class RateLimit:
    """A token bucket: ``burst`` at once, ``rate`` a second in the long run.

    One thread at a time.
    """

    __slots__ = ("_burst", "_last", "_level", "_rate")

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._last = 0.0

    def spend(self, now: float, weight: int = 1) -> bool:
        """Take ``weight`` tokens; False if they are not there. ``now`` in seconds, any origin; a
        clock that stands still or steps back only fails to refill."""
        level = self._level
        if now > self._last:
            level = min(self._burst, level + (now - self._last) * self._rate)
            self._last = now
        if level < weight:
            self._level = level
            return False
        self._level = level - weight
        return True
