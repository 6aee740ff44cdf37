"""Reading dicts that several threads share, at the speed of a dict."""

from collections.abc import Callable, Mapping
from typing import Any

# Who is told of each look before it happens: a race detector cannot see into this module.
told: Callable[[Any, Any], object] | None = None


def find[K, V, D](table: Mapping[K, V], key: K, default: D | None = None) -> V | D | None:
    """What ``table.get(key, default)`` returns, for tables that several threads share.

    CPython 3.13t's `dict.get` takes the dict's lock and then, where the key in the table is equal
    to the one asked for but another thread's object, tries to take it again: forty times
    sched_yield(), some 40 microseconds, before it suspends its own lock. Subscripts do not.

    Happens-before: as `dict.get`: what a thread did before it stored the value happens before the
    return of a call that finds it.
    """
    if told is not None:
        told(table, key)
    try:
        return table[key]
    except KeyError:
        return default
