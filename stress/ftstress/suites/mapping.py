"""`ftlocks.ConcurrentDict`: compound steps are one step."""

from ftlocks import ConcurrentDict
from ftstress.suites._threads import together

MODULES = ("ftlocks.mapping",)


def a_value_is_made_once() -> None:
    table: ConcurrentDict[str, list[int]] = ConcurrentDict(name="suite")
    made: list[int] = []
    got: list[object] = []

    def make() -> list[int]:
        made.append(1)
        return []

    def use() -> None:
        got.append(table.get_or_create("a", make))

    together(use, use, use)
    assert len(made) == 1
    assert got[0] is got[1] is got[2]


def no_update_is_lost() -> None:
    table: ConcurrentDict[str, int] = ConcurrentDict(name="suite")

    def add() -> None:
        table.update_with("a", lambda value: value + 1, 0)

    together(add, add, add)
    assert table["a"] == 3


def one_compare_and_set_wins() -> None:
    table: ConcurrentDict[str, int] = ConcurrentDict({"a": 0}, "suite")
    won: list[bool] = []
    together(
        lambda: won.append(table.compare_and_set("a", 0, 1)),
        lambda: won.append(table.compare_and_set("a", 0, 2)),
    )
    assert sorted(won) == [False, True]


def one_removal_wins() -> None:
    table: ConcurrentDict[str, int] = ConcurrentDict({"a": 0}, "suite")
    got: list[int] = []
    together(lambda: got.append(table.pop("a", 9)), lambda: got.append(table.pop("a", 9)))
    assert sorted(got) == [0, 9]


def a_copy_is_of_one_moment() -> None:
    table: ConcurrentDict[str, int] = ConcurrentDict(name="suite")

    def fill() -> None:
        table["a"] = 1
        table["b"] = 1

    def look() -> None:
        seen = table.snapshot()
        assert "b" not in seen or "a" in seen

    together(fill, look)
