"""The locks of a served adapter in a scrape, while `serve --profile-locks` is on.

Must never ask for more of the profile than the sums: a scrape comes every few seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

    from ftlocks import Profiling


class LockCollector:
    """A collector of what a running profile has found so far.

    Acquisitions and holds that nobody waited for are estimates from the profile's sample. Series
    are by the lock's name, or what it belongs to and where that was made, and by its kind.
    """

    def __init__(self, run: Profiling) -> None:
        self._run = run

    def collect(self) -> Iterable[Metric]:
        """The figures now."""
        from prometheus_client.core import CounterMetricFamily

        sums: dict[tuple[str, str], list[float]] = {}
        for lock in self._run.locks():
            found = sums.setdefault((lock.label, lock.kind), [0.0] * len(_NAMES))
            for place, value in enumerate(
                (
                    lock.acquisitions,
                    lock.contentions + lock.short_waits,
                    lock.gave_up,
                    lock.waiting_ns / 1e9,
                    lock.hold.total_ns / 1e9,
                )
            ):
                found[place] += value
        for place, (name, text) in enumerate(_NAMES):
            family = CounterMetricFamily(name, text, labels=("lock", "kind"))
            for labels, values in sums.items():
                family.add_metric(labels, values[place])
            yield family


_NAMES = (
    ("ftbridge_lock_acquisitions", "Times that a lock was taken."),
    ("ftbridge_lock_contentions", "Times that a lock was taken and had to be waited for."),
    ("ftbridge_lock_give_ups", "Waits for a lock that led to nothing."),
    ("ftbridge_lock_wait_seconds", "Time that all threads have waited for a lock."),
    ("ftbridge_lock_hold_seconds", "Time that a lock was held."),
)
