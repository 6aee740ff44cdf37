"""How long the calls of one tool take, as far as the reactor needs to know: short or not."""

from __future__ import annotations

SHORT_SECONDS = 200e-6
"""Calls of this mean or less count as short. Handing one to another thread and back costs 20 to
100 microseconds; a longer one holds up the reactor's other connections for more than it saves."""

_LONG_SECONDS = 400e-6  # mean above which a short one is short no more: hysteresis
_CAP_SECONDS = 0.01  # of one sample: a single stall must not outlast some forty good calls
_WEIGHT = 1 / 16  # of the newest sample in the mean
_UNKNOWN_SECONDS = 0.001  # where the mean starts: some thirty short calls prove it


class Cost:
    """Exponentially weighted mean of wall-clock seconds. Shared by threads without a lock.

    Two samples recorded at once may lose one of them: it is an estimate.
    """

    __slots__ = ("_mean", "short")

    def __init__(self) -> None:
        self._mean = _UNKNOWN_SECONDS
        self.short = False

    def __repr__(self) -> str:
        return f"<Cost {self._mean * 1e6:.0f} us, {'short' if self.short else 'long'}>"

    def record(self, seconds: float) -> None:
        """Take one call's time into account."""
        if seconds > _CAP_SECONDS:
            seconds = _CAP_SECONDS
        mean = self._mean
        mean += (seconds - mean) * _WEIGHT
        self._mean = mean
        if self.short:
            if mean > _LONG_SECONDS:
                self.short = False
        elif mean <= SHORT_SECONDS:
            self.short = True
