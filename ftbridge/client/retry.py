"""When to try a call again, and after how long: no clock, no sleep, no call in here."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter, as gRPC's retry design (proposal A6) has it.

    Args:
        attempts: how often a call is made at most, the first time included.
        first_pause: seconds; the pause before the second attempt is drawn from 0 to this.
        longest_pause: seconds; the bound grows from `first_pause` up to this.
        factor: by which it grows with each attempt.

    Raises:
        ValueError: a number out of range.
    """

    attempts: int = 6
    first_pause: float = 0.05
    longest_pause: float = 2.0
    factor: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts={self.attempts} is below 1")
        if not 0 <= self.first_pause <= self.longest_pause:
            raise ValueError(
                f"first_pause={self.first_pause} is not between 0 and "
                f"longest_pause={self.longest_pause}"
            )
        if self.factor < 1:
            raise ValueError(f"factor={self.factor} is below 1")

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each attempt after the first; ends when no more are to be made.

        Drawn at random, so that many clients of a server that comes back do not come all at once.
        """
        bound = self.first_pause
        for _ in range(self.attempts - 1):
            yield random.uniform(0.0, bound)
            bound = min(bound * self.factor, self.longest_pause)


NO_RETRIES: Final = RetryPolicy(attempts=1)
