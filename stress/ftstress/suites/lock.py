"""`ftlocks.Lock`, `RLock`, `StripedLock`: one thread at a time, also where some give up."""

from ftlocks import Lock, RLock, StripedLock
from ftstress.suites._threads import together

MODULES = ("ftlocks.mutex", "ftlocks.striped")


class _Count:
    value = 0

    def add(self) -> None:
        self.value += 1


def lock_admits_one() -> None:
    lock, count = Lock("suite"), _Count()

    def add() -> None:
        with lock:
            count.add()

    together(add, add, add)
    assert count.value == 3
    assert not lock.locked()


def watched_lock_admits_one() -> None:
    lock, count = Lock("suite", statistics=True), _Count()

    def add() -> None:
        with lock:
            count.add()

    together(add, add)
    assert count.value == 2
    assert lock.statistics().acquisitions == 2


def lock_with_timeouts() -> None:
    lock, count, missed = Lock("suite"), _Count(), _Count()

    def add() -> None:
        if lock.acquire(timeout=1.0):
            count.add()
            lock.release()
        else:
            missed.add()

    together(add, add)
    assert count.value + missed.value == 2
    assert not lock.locked()


def rlock_admits_one_thread_again_and_again() -> None:
    lock, count = RLock("suite"), _Count()

    def add() -> None:
        with lock, lock:
            count.add()

    together(add, add)
    assert count.value == 2


def striped_lock_takes_several_without_deadlock() -> None:
    lock: StripedLock[int] = StripedLock(4, "suite")
    count = _Count()

    def forward() -> None:
        with lock.hold_all(0, 1):
            count.add()

    def backward() -> None:
        with lock.hold_all(1, 0):
            count.add()

    together(forward, backward)
    assert count.value == 2
