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
from ftlocks.condition import Barrier, BarrierStatistics, Condition, ConditionStatistics
from ftlocks.counter import CounterStatistics, ShardedCounter
from ftlocks.errors import (
    AcquireTimeoutError,
    ClosedError,
    LockMisuseError,
    OwnerDiedError,
    UpgradeError,
    WouldBlockError,
)
from ftlocks.event import Event, EventStatistics
from ftlocks.keyed import KeyedLock, KeyedLockStatistics
from ftlocks.local import ThreadLocal, ThreadLocalStatistics
from ftlocks.mutex import Lock, RLock
from ftlocks.rwlock import RWLock, RWLockStatistics
from ftlocks.semaphore import BoundedSemaphore, Semaphore, SemaphoreStatistics
from ftlocks.statistics import LockStatistics, Owner, UseStatistics

__all__ = [
    "AcquireTimeoutError",
    "Barrier",
    "BarrierStatistics",
    "BoundedSemaphore",
    "ClosedError",
    "Condition",
    "ConditionStatistics",
    "CounterStatistics",
    "Event",
    "EventStatistics",
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
    "Semaphore",
    "SemaphoreStatistics",
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
