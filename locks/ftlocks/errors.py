"""What the primitives raise, apart from what `threading` raises for the same mistake.

Each is also the built-in exception that code written for `threading` or `queue` catches. Must never
import anything.
"""


class LockMisuseError(RuntimeError):
    """A primitive was used against its rules, such as a release by a stranger."""


class UpgradeError(LockMisuseError):
    """A thread that holds an `RWLock` for reading asked for it for writing.

    Two such threads would wait for each other for ever, so the first one is refused.
    """


class OwnerDiedError(LockMisuseError):
    """The thread that held the lock has ended without releasing it; nobody can release it now."""


class ClosedError(LockMisuseError):
    """The primitive was closed and takes no more work."""


class WouldBlockError(Exception):
    """`acquire_nowait()` and its like: it cannot be done without waiting."""


class AcquireTimeoutError(TimeoutError):
    """A block that waits for a lock with a timeout was not entered in time."""


class LockOrderError(RuntimeError):
    """A strict lock-order check found that taking this lock now could lead to a deadlock.

    Raised before the lock is taken. `report` tells all (`ftlocks.OrderReport`).
    """

    def __init__(self, report: object) -> None:
        super().__init__(str(report))
        self.report = report


class DeadlockError(RuntimeError):
    """A watchdog ended this thread's wait, because it was part of a deadlock.

    The lock that was waited for has not been taken. `report` tells all (`ftlocks.WatchReport`).
    """

    def __init__(self, report: object) -> None:
        super().__init__(str(report))
        self.report = report
