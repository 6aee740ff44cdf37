"""One load for all who ask; a failure is everybody's who waited, and nobody's after."""

from ftbridge.adapters.single_flight import SingleFlight
from ftstress.suites._threads import together

MODULES = ("ftbridge.adapters.single_flight",)


def loaded_once() -> None:
    flight: SingleFlight[list[int]] = SingleFlight()
    loads: list[int] = []

    def load() -> list[int]:
        loads.append(1)
        return [7]

    def use() -> None:
        assert flight.get(load) == [7]

    together(use, use, use)
    assert loads == [1]


def forgetting_beside_a_load() -> None:
    flight: SingleFlight[int] = SingleFlight()
    source = [1]

    def change() -> None:
        source[0] = 2
        flight.forget()

    together(lambda: flight.get(lambda: source[0]), change)
    assert flight.get(lambda: source[0]) == 2


def a_failure_is_not_kept() -> None:
    flight: SingleFlight[int] = SingleFlight()
    tries: list[int] = []

    def load() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return 3

    def use() -> None:
        try:
            assert flight.get(load) == 3
        except ValueError:
            pass

    together(use, use)
    assert flight.get(load) == 3
