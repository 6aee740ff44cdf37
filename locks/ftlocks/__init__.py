"""Sharing primitives for free-threaded Python, usable without the rest of ftbridge.

Imports nothing outside the standard library, ever: everything else may stand on it.
"""

from ftlocks._hooks import (
    Hold,
    LockInfo,
    LockState,
    Observer,
    Waiter,
    add_observer,
    observe,
    observing,
    remove_observer,
    states,
)
from ftlocks.counter import CounterStatistics, ShardedCounter
from ftlocks.errors import (
    AcquireTimeoutError,
    ClosedError,
    LockMisuseError,
    OwnerDiedError,
    UpgradeError,
    WouldBlockError,
)
from ftlocks.keyed import KeyedLock, KeyedLockStatistics
from ftlocks.local import ThreadLocal, ThreadLocalStatistics
from ftlocks.mutex import Lock, RLock
from ftlocks.rwlock import RWLock, RWLockStatistics
from ftlocks.statistics import LockStatistics, Owner, UseStatistics

__all__ = [
    "AcquireTimeoutError",
    "ClosedError",
    "CounterStatistics",
    "Hold",
    "KeyedLock",
    "KeyedLockStatistics",
    "Lock",
    "LockInfo",
    "LockMisuseError",
    "LockState",
    "LockStatistics",
    "Observer",
    "Owner",
    "OwnerDiedError",
    "RLock",
    "RWLock",
    "RWLockStatistics",
    "ShardedCounter",
    "ThreadLocal",
    "ThreadLocalStatistics",
    "UpgradeError",
    "UseStatistics",
    "Waiter",
    "WouldBlockError",
    "add_observer",
    "observe",
    "observing",
    "remove_observer",
    "states",
]
