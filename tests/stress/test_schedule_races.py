"""Races are seen in schedules in which nothing goes wrong, and seen again in the same schedule."""

from threading import Lock

import pytest

from ftstress import BoundedDFS, explore, replay
from ftstress.conversions import report_of_exploration
from ftstress.schedule_races import RACE
from stress import classics


class Shared:
    def __init__(self):
        self.value = 0
        self.lock = Lock()


def unlocked():
    shared = Shared()

    def write():
        shared.value = 1

    classics.together(write, write)


def locked():
    shared = Shared()

    def write():
        with shared.lock:
            shared.value = 1

    classics.together(write, write)


def stale():
    shared = Shared()

    def add():
        with shared.lock:
            value = shared.value
        with shared.lock:
            shared.value = value + 1

    classics.together(add, add)


@pytest.mark.parametrize(
    ("test", "kind", "name"),
    [
        (unlocked, "data-race", "race on attribute 'value' of a Shared"),
        (stale, "atomicity", "steps not atomic on attribute 'value' of a Shared"),
    ],
)
def test_a_race_is_found_without_the_bad_order_and_replayed(test, kind, name, tmp_path):
    path = tmp_path / "race.json"
    found = explore(test, strategy=BoundedDFS(0), iterations=1, save=path)
    assert found.failure is None
    (seen,) = found.races
    assert seen.schedule.failure.kind == RACE
    assert seen.schedule.failure.type.startswith(name)
    assert seen.schedule.decisions == ()
    assert seen.text in str(found)
    again = replay(path, test, times=5)
    assert again.is_same
    (finding,) = report_of_exploration(found).findings
    assert finding.kind == kind
    assert finding.schedule == seen.schedule.to_json()


def test_a_schedule_of_a_race_does_not_fit_the_mended_test(tmp_path):
    path = tmp_path / "race.json"
    explore(unlocked, strategy=BoundedDFS(0), iterations=1, save=path)
    assert not replay(path, locked).is_same


def test_what_is_locked_or_not_wanted_is_not_told():
    assert explore(locked, iterations=5).races == ()
    assert explore(unlocked, iterations=5, races=False).races == ()


@pytest.mark.parametrize(
    "twin",
    [classics.lost_update_mended, classics.buffer_if_mended, classics.double_checked_mended],
)
def test_mended_twins_have_no_race(twin):
    assert [
        seen.text for seen in explore(twin, iterations=10, modules=["stress.classics"]).races
    ] == []
