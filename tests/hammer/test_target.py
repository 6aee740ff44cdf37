"""Whole runs: a process that serves, calls from here, and what the report says."""

import sys

import pytest

from ftbridge import testing
from ftbridge.hammer.target import adapter_report, address_report
from tests.hammer.hammered import Shop

GIL = sys._is_gil_enabled()
ROOM = "tests.hammer.hammered"


def report(adapter, **options):
    return adapter_report(f"{ROOM}:{adapter}", seed=1, **{"calls": 700, **options})


def kinds(found):
    return {finding.kind for finding in found.findings}


def test_an_adapter_without_a_mistake_passes():
    found = report("Shop")

    assert [finding.message for finding in found.findings] == []
    assert found.status == (2 if GIL else 0)
    calls, inside = found.explored
    assert calls.operations == 700
    assert "6 of 6 pairs" in calls.how
    assert inside.operations > 0
    assert ROOM in inside.modules


def test_a_race_inside_the_server_is_found_with_the_command_that_finds_it_again():
    found = report("Unlocked", calls=60)

    assert found.status == 1
    assert kinds(found) == {"data-race"}
    assert {finding.locations[0].function for finding in found.findings} == {"Unlocked.add"}
    assert found.findings[0].replay == (
        f"python -m ftstress run {ROOM}:Unlocked --seed 1 --calls 60"
    )


def test_locks_in_opposite_orders_are_found_whether_or_not_calls_deadlock():
    found = report("Crossed", calls=40)

    assert "lock-order" in kinds(found)
    assert kinds(found) <= {"lock-order", "deadlock"}


def test_broken_invariants_and_an_instance_that_is_not_taken_down_are_found():
    found = report("Forgetful", calls=120, detect=False)

    subjects = {finding.subject: finding.message for finding in found.findings}
    assert "AssertionError: 999" in subjects["Forgetful.nothing_is_lost"]
    assert any("taken down" in message or "no way out" in message for message in subjects.values())


def test_a_server_that_ends_is_found():
    found = report("Fatal", calls=30, detect=False)

    assert kinds(found) == {"crash"}
    assert any("status 3" in finding.message for finding in found.findings)


def test_what_cannot_be_served_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="has no 'Missing'"):
        report("Missing")


def test_a_server_that_is_there_already_is_hammered_from_outside():
    with testing.serve(Shop) as served:
        found = address_report(served.address, seed=1, calls=300)

    assert [finding.message for finding in found.findings] == []
    assert any("runs elsewhere" in text for text in found.not_proved)


def test_an_address_where_nobody_answers_is_refused():
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:1"):
        address_report("127.0.0.1:1")
