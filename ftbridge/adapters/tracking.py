"""How many requests a shared adapter has served and is serving, counted without a shared lock.

Must never be asked for more than counts: it is on the way of every call.
"""

from collections.abc import Mapping

from ftlocks import ShardedCounter


class RequestTracker:
    """Counts requests between `begin()` and `end()`, which may run on different threads."""

    __slots__ = ("_begun", "_ended")

    def __init__(self) -> None:
        self._begun = ShardedCounter(name="requests begun")
        self._ended = ShardedCounter(name="requests ended")

    def begin(self) -> None:
        """A request starts on this thread."""
        self._begun.add()

    def end(self) -> None:
        """A request has ended."""
        self._ended.add()

    def statistics(self) -> Mapping[str, int]:
        """The counts under the names that adapters know from the incumbent.

        `ended` is read before `begun`, so no count is ever negative while requests run.
        """
        ended_by_thread = self._ended.shares()
        begun_by_thread = self._begun.shares()
        ended = self._ended.value()
        begun = self._begun.statistics()
        return {
            "total_requests": begun.value,
            "total_active_requests": begun.value - ended,
            "active_threads": sum(
                count > ended_by_thread.get(ident, 0) for ident, count in begun_by_thread.items()
            ),
            "threads_seen": begun.threads,
        }
