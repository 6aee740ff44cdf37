"""`ftlocks.KeyedLock`: one thread a key, several keys without deadlock, no entry left behind."""

from ftlocks import KeyedLock
from ftstress.suites._threads import together

MODULES = ("ftlocks.keyed",)


def one_thread_a_key() -> None:
    lock: KeyedLock[str] = KeyedLock("suite")
    count = {"a": 0, "b": 0}

    def add(key: str) -> None:
        with lock.hold(key):
            count[key] += 1

    together(lambda: add("a"), lambda: add("a"), lambda: add("b"))
    assert count == {"a": 2, "b": 1}
    assert not lock.locked("a")


def several_keys_in_any_order() -> None:
    lock: KeyedLock[str] = KeyedLock("suite")
    count = [0]

    def add(*keys: str) -> None:
        with lock.hold_all(*keys):
            count[0] += 1

    together(lambda: add("a", "b"), lambda: add("b", "a"))
    assert count == [2]
    assert not lock.locked("a")
    assert not lock.locked("b")


def who_gives_up_leaves_the_key_usable() -> None:
    lock: KeyedLock[str] = KeyedLock("suite")

    def visit() -> None:
        if lock.acquire("a", timeout=0.001):
            lock.release("a")

    together(visit, visit, visit)
    assert lock.acquire_nowait("a")
