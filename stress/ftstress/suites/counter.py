"""`ftlocks.ShardedCounter` and `ThreadLocal`: every thread's share counts, also after its end."""

from ftlocks import ShardedCounter, ThreadLocal
from ftstress.suites._threads import together

MODULES = ("ftlocks.counter", "ftlocks.local")


def no_addition_is_lost() -> None:
    counter = ShardedCounter(name="suite")
    together(counter.add, counter.add, lambda: counter.add(3))
    assert counter.value() == 5


def a_sum_never_falls() -> None:
    counter = ShardedCounter(name="suite")
    seen: list[int] = []

    def look() -> None:
        for _ in range(3):
            seen.append(counter.value())  # noqa: PERF401  # each at its own moment

    together(counter.add, counter.add, look)
    assert seen == sorted(seen)
    assert counter.value() == 2


def each_thread_has_its_own() -> None:
    local: ThreadLocal[list[int]] = ThreadLocal(list, name="suite")

    def use(number: int) -> None:
        local.get().append(number)
        assert local.get() == [number]

    together(lambda: use(1), lambda: use(2))
