"""What adapters share: locks by name, requests counted, storage of each thread's own."""

from ftbridge.adapters.locks import AdapterLocks
from ftbridge.adapters.threaded import new_storage
from ftbridge.adapters.tracking import RequestTracker
from ftstress.suites._threads import together

MODULES = ("ftbridge.adapters.locks", "ftbridge.adapters.tracking")


def one_lock_a_name() -> None:
    locks = AdapterLocks("Suite")
    count = [0]

    def add() -> None:
        with locks.write("ledger", None):
            count[0] += 1

    together(add, add)
    assert count == [2]


def readers_beside_a_writer() -> None:
    locks = AdapterLocks("Suite")
    pair = [0, 0]

    def write() -> None:
        with locks.write("ledger", None):
            pair[0] += 1
            pair[1] += 1

    def read() -> None:
        with locks.read("ledger", None):
            assert pair[0] == pair[1]

    together(write, read, read)


def a_reader_that_comes_while_a_writer_is_inside() -> None:
    locks = AdapterLocks("Suite")
    pair = [0, 0]

    def write(timeout: float | None) -> None:
        with locks.write("ledger", timeout):
            pair[0] += 1
            pair[1] += 1

    def read() -> None:
        with locks.read("ledger", 60.0):
            assert pair[0] == pair[1]

    together(lambda: write(None), lambda: write(60.0), read)
    assert pair == [2, 2]


def the_class_s_own_lock() -> None:
    locks = AdapterLocks("Suite")
    count = [0]

    def add(timeout: float | None) -> None:
        with locks.exclusive(timeout):
            count[0] += 1

    together(lambda: add(None), lambda: add(30.0))
    assert count == [2]


def requests_are_counted_and_never_negative() -> None:
    tracker = RequestTracker()

    def request() -> None:
        tracker.begin()
        tracker.end()

    def look() -> None:
        assert tracker.statistics()["total_active_requests"] >= 0

    together(request, request, look)
    found = tracker.statistics()
    assert found["total_requests"] == 2
    assert found["total_active_requests"] == 0


def storage_belongs_to_its_thread() -> None:
    storage = new_storage(object)

    def use(number: int) -> None:
        storage.get()["key"] = number
        assert storage.get()["key"] == number

    together(lambda: use(1), lambda: use(2))
