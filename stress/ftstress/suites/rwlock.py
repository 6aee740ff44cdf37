"""`ftlocks.RWLock`: readers together, writers alone, and no half of a write is seen."""

from ftlocks import RWLock
from ftstress.suites._threads import together

MODULES = ("ftlocks.rwlock", "ftlocks._rwcore")


class _Pair:
    def __init__(self) -> None:
        self.left = self.right = 0

    def write(self) -> None:
        self.left += 1
        self.right += 1

    def check(self) -> None:
        assert self.left == self.right


def readers_see_whole_writes() -> None:
    _readers_and_writers(RWLock("suite"))


def readers_see_whole_writes_where_the_lock_is_fair() -> None:
    _readers_and_writers(RWLock("suite", fair=True))


def _readers_and_writers(lock: RWLock) -> None:
    pair = _Pair()

    def write() -> None:
        with lock.write():
            pair.write()

    def read() -> None:
        with lock.read():
            pair.check()

    together(write, write, read)
    assert pair.left == 2


def a_downgraded_writer_is_a_reader() -> None:
    lock, pair = RWLock("suite"), _Pair()

    def write_then_read() -> None:
        with lock.write() as side:
            pair.write()
            side.downgrade()
            pair.check()

    def write() -> None:
        with lock.write():
            pair.write()

    together(write_then_read, write)
    assert (pair.left, pair.right) == (2, 2)


def a_writer_that_gives_up_lets_readers_through() -> None:
    lock, pair = RWLock("suite"), _Pair()

    def write() -> None:
        if lock.acquire_write(timeout=0.01):
            pair.write()
            lock.release_write()

    def read() -> None:
        with lock.read():
            pair.check()

    together(read, write, read)
    assert lock.acquire_write_nowait()
