"""The options of `ftbridge serve` about its adapter's locks.

Apart from the other options: the commands that only call a server do not load one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import click

from ftbridge.bridge.deadlocks import LockCare
from ftlocks.deadlock import INTERVAL_SECONDS


def lock_options[F: Callable[..., Any]](function: F) -> F:
    """The options about locks, as one argument: a keyword `lock_care`, a `LockCare`."""

    @functools.wraps(function)
    def with_lock_care(
        *args: Any,
        lock_watchdog: float,
        break_deadlocks: bool,
        check_lock_order: bool,
        **kwargs: Any,
    ) -> Any:
        care = LockCare(
            interval=lock_watchdog or None,
            break_deadlocks=break_deadlocks,
            check_order=check_lock_order,
        )
        return function(*args, lock_care=care, **kwargs)

    for option in reversed(
        (
            click.option(
                "--lock-watchdog",
                type=click.FloatRange(min=0),
                metavar="SECONDS",
                is_flag=False,
                flag_value=INTERVAL_SECONDS,
                default=INTERVAL_SECONDS,
                show_default=True,
                help="How often to look for threads that wait for each other's ftlocks for ever; a "
                "deadlock is logged and turns health NOT_SERVING. 0 never looks.",
            ),
            click.option(
                "--break-deadlocks",
                is_flag=True,
                help="Raise DeadlockError in one thread of a deadlock, so that the others go on.",
            ),
            click.option(
                "--check-lock-order",
                is_flag=True,
                help="Log ftlocks taken in contradictory orders; for development, it slows locks.",
            ),
        )
    ):
        with_lock_care = option(with_lock_care)
    return cast("F", with_lock_care)
