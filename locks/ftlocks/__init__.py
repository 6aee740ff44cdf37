"""Sharing primitives for free-threaded Python, usable without the rest of ftbridge.

Imports nothing outside the standard library, ever: everything else may stand on it.
"""

from ftlocks._hooks import Observer, add_observer, observe, observing, remove_observer, states
from ftlocks._orderclass import declare_order, nested
from ftlocks._records import Hold, LockInfo, LockState, Waiter
from ftlocks.atomic import AtomicInt, AtomicRef, AtomicStatistics
from ftlocks.cache import CacheStatistics, SingleFlightCache
from ftlocks.channel import Channel, ChannelStatistics
from ftlocks.condition import Barrier, BarrierStatistics, Condition, ConditionStatistics
from ftlocks.counter import CounterStatistics, ShardedCounter
from ftlocks.deadlock import BlockedThread, Watchdog, WatchReport, watchdog
from ftlocks.errors import (
    AcquireTimeoutError,
    ClosedError,
    DeadlockError,
    LockMisuseError,
    LockOrderError,
    OwnerDiedError,
    UpgradeError,
    WouldBlockError,
)
from ftlocks.event import Event, EventStatistics
from ftlocks.keyed import KeyedLock, KeyedLockStatistics
from ftlocks.local import ThreadLocal, ThreadLocalStatistics
from ftlocks.mapping import ConcurrentDict, ConcurrentDictStatistics
from ftlocks.mutex import Lock, RLock
from ftlocks.once import Lazy, Once, OnceStatistics
from ftlocks.order import OrderChecker, OrderReport, OrderStep, check_order
from ftlocks.profiler.report import Profile, WhatIf
from ftlocks.profiler.session import Profiling, profile
from ftlocks.profiler.whatif import Injection, Progress
from ftlocks.rwlock import RWLock, RWLockStatistics
from ftlocks.semaphore import BoundedSemaphore, Semaphore, SemaphoreStatistics
from ftlocks.spin import BarrierTimeoutError, SpinBarrier, SpinBarrierStatistics
from ftlocks.statistics import LockStatistics, Owner, UseStatistics
from ftlocks.striped import StripedLock, StripedLockStatistics

__all__ = [
    "AcquireTimeoutError",
    "AtomicInt",
    "AtomicRef",
    "AtomicStatistics",
    "Barrier",
    "BarrierStatistics",
    "BarrierTimeoutError",
    "BlockedThread",
    "BoundedSemaphore",
    "CacheStatistics",
    "Channel",
    "ChannelStatistics",
    "ClosedError",
    "ConcurrentDict",
    "ConcurrentDictStatistics",
    "Condition",
    "ConditionStatistics",
    "CounterStatistics",
    "DeadlockError",
    "Event",
    "EventStatistics",
    "Hold",
    "Injection",
    "KeyedLock",
    "KeyedLockStatistics",
    "Lazy",
    "Lock",
    "LockInfo",
    "LockMisuseError",
    "LockOrderError",
    "LockState",
    "LockStatistics",
    "Observer",
    "Once",
    "OnceStatistics",
    "OrderChecker",
    "OrderReport",
    "OrderStep",
    "Owner",
    "OwnerDiedError",
    "Profile",
    "Profiling",
    "Progress",
    "RLock",
    "RWLock",
    "RWLockStatistics",
    "Semaphore",
    "SemaphoreStatistics",
    "ShardedCounter",
    "SingleFlightCache",
    "SpinBarrier",
    "SpinBarrierStatistics",
    "StripedLock",
    "StripedLockStatistics",
    "ThreadLocal",
    "ThreadLocalStatistics",
    "UpgradeError",
    "UseStatistics",
    "Waiter",
    "WatchReport",
    "Watchdog",
    "WhatIf",
    "WouldBlockError",
    "add_observer",
    "check_order",
    "declare_order",
    "nested",
    "observe",
    "observing",
    "profile",
    "remove_observer",
    "states",
    "watchdog",
]
