"""Medians with their spread, and ratios taken inside a round.

A shared machine drifts from one minute to the next. Two figures of the same round saw nearly the
same machine; so ratios are built per round first, and only then is the median taken.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some figures and the range they came from."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Raises:
        ValueError: there are no figures.
        """
        if not values:
            raise ValueError("no figures: a spread needs at least one")
        return cls(statistics.median(values), min(values), max(values))

    def format(self, spec: str = ",.0f") -> str:
        """``median (low..high)``, each by the same format spec."""
        return f"{self.median:{spec}} ({self.low:{spec}}..{self.high:{spec}})"

    def as_json(self) -> dict[str, float]:
        return {"median": self.median, "min": self.low, "max": self.high}


def ratios(values: Sequence[float], base: Sequence[float]) -> list[float]:
    """Each round's figure over the base's figure of the same round.

    Raises:
        ValueError: the two are not of the same rounds, or a base figure is not positive.
    """
    if len(values) != len(base):
        raise ValueError(f"{len(values)} rounds cannot be compared with {len(base)}")
    if min(base, default=1.0) <= 0:
        raise ValueError(f"a base figure is not positive: {min(base)}")
    return [value / other for value, other in zip(values, base, strict=True)]


def rotated[T](items: Sequence[T], turn: int) -> list[T]:
    """``items`` from another one on in each round, so that none always runs first or last."""
    turn %= len(items)
    return [*items[turn:], *items[:turn]]
