from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from bridge.races import Meeting, NoLock, at_once, meet_after_reading

from ftbridge.adapters.single_flight import SingleFlight

WAIT = 20.0  # seconds; only ever used up when something is broken


class Loader:
    """A load that waits to be let go, and counts."""

    def __init__(self, outcome: Callable[[int], str]) -> None:
        self.calls = 0
        self.entered = threading.Event()
        self.go = threading.Event()
        self._outcome = outcome

    def __call__(self) -> str:
        self.calls += 1
        self.entered.set()
        assert self.go.wait(WAIT)
        return self._outcome(self.calls)


class Watched(threading.Event):
    """An event that says when somebody begins to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiters = threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        self.waiters.release()
        return super().wait(timeout)


def beside(flight: SingleFlight[str], load: Loader, others: int) -> list[object]:
    """Outcomes of one thread that loads and of others that come while it is at it."""

    def ask() -> object:
        try:
            return flight.get(load, timeout=WAIT)
        except RuntimeError as error:
            return error

    with ThreadPoolExecutor(others + 1) as pool:
        first = pool.submit(ask)
        assert load.entered.wait(WAIT)
        watched = Watched()
        current = flight._flight
        if current is not None:
            current.landed = watched
        late = [pool.submit(ask) for _ in range(others)]
        for _ in late:
            assert watched.waiters.acquire(timeout=WAIT)
        load.go.set()
        return [future.result(WAIT) for future in (first, *late)]


def test_threads_that_come_meanwhile_share_one_load():
    flight: SingleFlight[str] = SingleFlight()
    load = Loader(lambda call: f"load {call}")
    assert beside(flight, load, 4) == ["load 1"] * 5
    assert (load.calls, flight.peek()) == (1, "load 1")
    assert flight.get(load) == "load 1"


@pytest.mark.parametrize("locked", [True, False])
def test_threads_that_come_at_once_load_once_thanks_to_the_lock(locked):
    flight: SingleFlight[str] = SingleFlight()
    if not locked:
        flight._lock = NoLock()  # type: ignore[assignment]
    meet_after_reading(flight, "_flight", Meeting(2, locked=locked))
    loads: list[int] = []
    at_once([partial(flight.get, lambda: str(loads.append(1)))] * 2)
    assert len(loads) == (1 if locked else 2)


def test_a_failure_is_shared_and_not_kept():
    def fail_first(call: int) -> str:
        if call == 1:
            raise RuntimeError("away")
        return "there"

    flight: SingleFlight[str] = SingleFlight()
    load = Loader(fail_first)
    outcomes = beside(flight, load, 3)
    assert [str(outcome) for outcome in outcomes] == ["away"] * 4
    assert (load.calls, flight.peek()) == (1, None)
    assert flight.get(load) == "there"


def test_what_ends_the_loading_thread_is_its_own_affair():
    def leave_first(call: int) -> str:
        if call == 1:
            raise SystemExit(3)
        return "there"

    flight: SingleFlight[str] = SingleFlight()
    load = Loader(leave_first)

    def leave() -> object:
        with pytest.raises(SystemExit):
            flight.get(load)
        return "left"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(leave)
        assert load.entered.wait(WAIT)
        second = pool.submit(flight.get, load)
        load.go.set()
        assert (first.result(WAIT), second.result(WAIT)) == ("left", "there")


def test_waiting_has_an_end():
    flight: SingleFlight[str] = SingleFlight()
    load = Loader(lambda call: "late")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(flight.get, load)
        assert load.entered.wait(WAIT)
        with pytest.raises(TimeoutError, match="another thread is still loading after 0 s"):
            flight.get(load, timeout=0)
        load.go.set()
        assert first.result(WAIT) == "late"


def test_forgetting_loads_anew_and_lets_a_running_load_serve_those_that_wait():
    flight: SingleFlight[str] = SingleFlight()
    slow = Loader(lambda call: "old")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(flight.get, slow)
        assert slow.entered.wait(WAIT)
        flight.forget()
        assert flight.get(lambda: "new") == "new"
        slow.go.set()
        assert first.result(WAIT) == "old"
    assert flight.peek() == "new"
    flight.forget()
    assert flight.peek() is None
