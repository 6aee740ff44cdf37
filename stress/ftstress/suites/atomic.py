"""`ftlocks.AtomicInt` and `AtomicRef`: no addition is lost, one comparison wins."""

from ftlocks import AtomicInt, AtomicRef
from ftstress.suites._threads import together

MODULES = ("ftlocks.atomic",)


def no_addition_is_lost() -> None:
    number = AtomicInt(name="suite")
    seen: list[int] = []
    together(*(lambda: seen.append(number.add()) for _ in range(3)))
    assert number.get() == 3
    assert sorted(seen) == [1, 2, 3]


def one_comparison_wins() -> None:
    place: AtomicRef[str] = AtomicRef("free", "suite")
    won: list[bool] = []
    together(
        lambda: won.append(place.compare_and_set("free", "mine")),
        lambda: won.append(place.compare_and_set("free", "yours")),
    )
    assert sorted(won) == [False, True]


def every_value_is_exchanged_once() -> None:
    place: AtomicRef[int] = AtomicRef(0, "suite")
    got: list[int] = []
    together(lambda: got.append(place.exchange(1)), lambda: got.append(place.exchange(2)))
    assert sorted([*got, place.get()]) == [0, 1, 2]
