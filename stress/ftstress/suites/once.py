"""`ftlocks.Once` and `Lazy`: made once, whole before anybody has it, anew after a failure."""

from ftlocks import Lazy, Once
from ftstress.suites._threads import together

MODULES = ("ftlocks.once",)


def made_once() -> None:
    made: list[list[int]] = []
    got: list[object] = []

    def make() -> list[int]:
        value: list[int] = []
        made.append(value)
        value.append(7)
        return value

    lazy = Lazy(make, "suite")

    def use() -> None:
        value = lazy.get()
        assert value == [7]
        got.append(value)

    together(use, use, use)
    assert len(made) == 1
    assert all(value is made[0] for value in got)


def a_failure_is_not_kept() -> None:
    once: Once[int] = Once("suite")
    tries: list[int] = []

    def make() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return 5

    def use() -> None:
        try:
            assert once.call(make) == 5
        except ValueError:
            pass

    together(use, use)
    assert once.call(make) == 5
    assert len(tries) == 2
