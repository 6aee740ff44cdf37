"""Litmus tests: outcomes are counted and graded; the twin's column comes beside them."""

import sys

import pytest
from stress.litmus_tests import Answers, Counted, Kept, Lost, Stuck

from ftstress import explore
from ftstress.litmus import (
    OTHERS,
    Expected,
    Litmus,
    LitmusError,
    Row,
    acceptable,
    actor,
    arbiter,
    forbidden,
    parsed,
    run,
    shown,
)

GIL = sys._is_gil_enabled()


def counts(result):
    return {row.outcome: row.count for row in result.rows}


def test_a_forbidden_outcome_is_counted_and_fails_the_run():
    result = run(Lost, seconds=None, count=60)

    assert counts(result) == {"2": 0, "1": 60}
    assert result.trials == 60
    assert result.is_forbidden
    assert result.status == 1
    assert [row.why for row in result.rows] == ["both were counted", "one was lost"]


def test_a_test_without_one_passes_unless_the_gil_was_on():
    result = run(Kept, seconds=None, count=60)

    assert counts(result) == {"2": 60, "1": 0}
    assert not result.is_forbidden
    assert result.gil is GIL
    assert result.status == (2 if GIL else 0)


def test_without_an_arbiter_the_actors_returns_are_the_outcome_and_exceptions_count_by_type():
    result = run(Answers, seconds=None, count=5)

    assert counts(result) == {"1, raises KeyError": 5}
    assert result.rows[0].why == "as written"  # not hidden by the line for others above it


def test_an_outcome_nobody_named_is_forbidden():
    class Surprising(Answers):
        outcomes = (acceptable((1, 2), "as hoped"),)

    result = run(Surprising, seconds=None, count=3)

    assert result.rows[-1].outcome == "1, raises KeyError"
    assert result.rows[-1].grade == "forbidden"
    assert result.status == 1


def test_others_grades_what_no_line_names():
    class Open(Answers):
        outcomes = (acceptable(OTHERS, "anything goes"),)

    assert not run(Open, seconds=None, count=3).is_forbidden


def test_an_arbiter_may_take_what_the_actors_returned():
    class Sum(Litmus):
        outcomes = (acceptable(3, "the sum"),)

        @actor
        def one(self):
            return 1

        @actor
        def two(self):
            return 2

        @arbiter
        def total(self, one, two):
            return one + two

    assert counts(run(Sum, seconds=None, count=4)) == {"3": 4}


def test_an_exception_that_the_arbiter_would_not_see_is_the_outcome():
    class Quiet(Answers):
        outcomes = (forbidden(KeyError, "an actor failed"),)

        @arbiter
        def nothing(self):
            return "fine"

    assert run(Quiet, seconds=None, count=2).rows[0].count == 2


def test_an_actor_that_does_not_return_ends_the_run_as_an_outcome():
    Stuck.over.clear()
    try:
        result = run(Stuck, seconds=None, count=50, patience=0.2)
    finally:
        Stuck.over.set()

    assert counts(result) == {"None, None": 0, "HANGS": 1}
    assert result.trials == 1
    assert result.status == 1


def test_time_bounds_a_run_but_one_batch_is_always_begun():
    assert run(Kept, seconds=1e-9).trials > 0


def test_progress_tells_of_the_trials():
    told = []
    run(Kept, seconds=None, count=120, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 120


def test_a_schedule_with_the_forbidden_outcome_is_found_and_shows_the_actors_only():
    found = explore(Counted.under_schedule, iterations=200, raises=False)

    assert found.failure is not None
    assert found.failure.failure.type == "ForbiddenOutcomeError"
    assert found.failure.failure.message == "1: one was lost"
    assert len(found.failure.schedule.decisions) == 1
    assert "litmus.py" not in found.failure.table


def test_the_twins_counts_come_beside_by_outcome():
    mine = run(Lost, seconds=None, count=3)
    theirs = run(Kept, seconds=None, count=2)
    both = mine.beside(theirs)

    assert [(row.outcome, row.count, row.twin_count) for row in both.rows] == [
        ("2", 0, 2),
        ("1", 3, 0),
    ]
    assert (both.twin, both.twin_trials) == (theirs.interpreter, 2)
    assert theirs.beside(mine).is_forbidden  # seen on the twin only


def test_shown_writes_outcomes_as_a_person_would():
    assert shown((1, None, "a")) == "1, None, 'a'"
    assert shown(ValueError) == "raises ValueError"
    assert shown(()) == "()"


def _without_second():
    class One(Litmus):
        outcomes = (acceptable(None, "x"),)

        @actor
        def one(self):
            pass

    return One


def _with_two_arbiters():
    class Two(Counted):
        @arbiter
        def again(self):
            pass

    return Two


def _without_outcomes():
    class Nothing(Counted):
        outcomes = ()

    return Nothing


def _ungraded():
    class Bare(Counted):
        outcomes = (1,)

    return Bare


def _greedy():
    class Greedy(Lost):
        @arbiter
        def total(self, only):
            return only

    return Greedy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_without_second, "has 1 actors: mark at least two"),
        (_with_two_arbiters, "has 2 arbiters .total, again."),
        (_without_outcomes, "expects nothing"),
        (_ungraded, "has 1: use acceptable"),
        (_greedy, "takes 1 results of 2 actors"),
    ],
)
def test_a_test_that_is_none_says_what_is_missing(make, message):
    with pytest.raises(LitmusError, match=message):
        parsed(make())


def test_results_are_frozen():
    with pytest.raises(AttributeError):
        Row("1", 1, "acceptable", "x").count = 2
    with pytest.raises(AttributeError):
        Expected(1, "acceptable", "x").grade = "forbidden"
