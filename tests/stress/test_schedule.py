"""Schedules as files."""

import json

import pytest

from ftstress.places import Place, Site
from ftstress.schedule import (
    Decision,
    Follow,
    Moment,
    Schedule,
    ScheduleFormatError,
    Settings,
)
from ftstress.tasks import Choice, Failure

PLACE = Place("bank.py", "Account.withdraw", 2, "store balance")
SCHEDULE = Schedule(
    "bank:test",
    Failure("exception", "AssertionError", "main", "overdrawn: 5 \u20ac"),
    (
        Decision(Moment((1,), PLACE, 2, "point"), (2, 1), "self.balance -= amount"),
        Decision(Moment((2, 1), PLACE, 1, "blocked"), (), ""),
        Decision(Moment((2,), Place("", "", 0, ""), 0, "ended"), (1,)),
    ),
    Settings("line", "any", 500, ("bank", "queue")),
    {"strategy": "pct", "depth": 3, "seed": 1, "run": 7},
    "CPython 3.13.5 without GIL",
)


def test_a_schedule_is_the_same_after_the_way_through_a_file():
    text = SCHEDULE.to_json()
    assert Schedule.from_json(text) == SCHEDULE
    # A decision a line, so that two files can be compared.
    assert sum('"then"' in line for line in text.splitlines()) == 3


def test_a_schedule_without_decisions_is_one_too():
    empty = SCHEDULE.with_decisions(())
    assert Schedule.from_json(empty.to_json()) == empty


def changed(path, value):
    raw = json.loads(SCHEDULE.to_json())
    inner = raw
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(raw)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a schedule"),
        (changed(["kind"], "other"), "not a schedule"),
        (changed(["format"], 1), "format 1; this version reads format 2"),
        (changed(["target"], None), "without 'target'"),
        (changed(["settings", "granularity"], "byte"), "'byte' is none of line, operation"),
        (changed(["decisions", 0, "thread"], "other.1"), "not the name of a thread"),
        (changed(["decisions", 0, "at"], ["x"]), "damaged schedule"),
        (changed(["decisions"], 7), "damaged schedule"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(text, message):
    with pytest.raises(ScheduleFormatError, match=message):
        Schedule.from_json(text)


class FakeStep:
    task = (1,)
    reason = "point"
    visit = 2
    site = Site(PLACE, "bank.py", 12)


def test_following_takes_a_decision_at_its_moment_and_the_rule_elsewhere():
    follow = Follow(SCHEDULE.decisions[:1])
    both = ((1,), (2, 1))
    early = FakeStep()
    early.visit = 1
    assert follow.choose(Choice(both, (1,), None), early) == (1,)
    assert follow.choose(Choice(both, (1,), None), FakeStep()) == (2, 1)
    assert not follow.unused
    assert follow.choose(Choice(both, None, None), FakeStep()) == (1,)


def test_a_decision_for_a_thread_that_cannot_run_is_not_taken():
    follow = Follow(SCHEDULE.decisions[:1])
    assert follow.choose(Choice(((1,), (3,)), (1,), None), FakeStep()) == (1,)
