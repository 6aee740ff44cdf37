"""`ftlocks.Barrier`: nobody goes on before all have come, round after round."""

from ftlocks import Barrier
from ftstress.suites._threads import together

MODULES = ("ftlocks.condition",)


def nobody_leaves_before_all_have_come() -> None:
    barrier = Barrier(2, name="suite")
    came: list[int] = []

    def walk() -> None:
        for lap in range(2):
            came.append(lap)
            barrier.wait()
            assert came.count(lap) == 2

    together(walk, walk)
    assert came == [0, 0, 1, 1]


def one_number_each() -> None:
    barrier = Barrier(3, name="suite")
    numbers: list[int] = []

    def walk() -> None:
        numbers.append(barrier.wait())

    together(walk, walk, walk)
    assert sorted(numbers) == [0, 1, 2]
