"""Sharing primitives for free-threaded Python, usable without the rest of ftbridge.

Imports nothing outside the standard library, ever: everything else may stand on it.
"""

from ftlocks.counter import CounterStatistics, ShardedCounter
from ftlocks.local import ThreadLocal, ThreadLocalStatistics

__all__ = ["CounterStatistics", "ShardedCounter", "ThreadLocal", "ThreadLocalStatistics"]
