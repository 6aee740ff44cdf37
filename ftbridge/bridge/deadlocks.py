"""What a server does about its adapter's locks: it looks for deadlocks, and for locks in disorder.

A deadlocked adapter keeps accepting calls and answers none of those that need the locks, so its
health must say so: a balancer sends calls elsewhere and a supervisor starts the process anew. Must
never end a thread's wait unless the operator asked for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from ftlocks import OrderChecker, Watchdog, WatchReport, check_order, watchdog

_log = logging.getLogger("ftbridge.locks")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockCare:
    """How much of it is wanted.

    Args:
        interval: seconds between two looks for deadlocks; None for no looks.
        break_deadlocks: let one thread of a deadlock go on, with a `DeadlockError`. Health stays
            as it is then.
        check_order: log locks that are taken in contradictory orders; for development.
    """

    interval: float | None = None
    break_deadlocks: bool = False
    check_order: bool = False


class LockGuard:
    """The care that one server takes of its process's locks.

    Args:
        on_deadlock: called, on the watchdog's thread, for each deadlock that was not broken.
    """

    def __init__(self, care: LockCare, on_deadlock: Callable[[], object]) -> None:
        self._care = care
        self._on_deadlock = on_deadlock
        self._watchdog: Watchdog | None = None
        self._checker: OrderChecker | None = None

    def start(self) -> None:
        """Begin, once the adapter has been opened: it may replace what a watchdog replaces too."""
        care = self._care
        if care.check_order:
            self._checker = check_order()
        if care.interval is not None:
            self._watchdog = watchdog(
                interval=care.interval,
                break_deadlocks=care.break_deadlocks,
                on_report=self._report,
            )

    def stop(self) -> None:
        """End; more than once is no error."""
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._checker is not None:
            self._checker.stop()

    def _report(self, report: WatchReport) -> None:
        if report.kind != "deadlock":
            _log.warning("%s", report)
        elif report.victim:
            _log.error("%s", report)
        else:
            self._on_deadlock()
            _log.error("%s\nhealth is NOT_SERVING from now on: only a restart helps", report)
