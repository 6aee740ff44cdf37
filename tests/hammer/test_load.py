"""What only calls in parallel bring is a finding: errors, other results, calls that hang."""

import pytest

from ftbridge import testing
from ftbridge.hammer import arguments
from ftbridge.hammer.calling import Budget
from ftbridge.hammer.load import Hammer
from tests.hammer.hammered import Crowded, Shop


def hammered(adapter, tools, **options):
    cases = [case for case in arguments.of_adapter(adapter) if case.name in tools]
    budget = Budget(20.0, options.pop("calls", 30))
    with testing.serve(adapter, threads=8) as served:
        hammer = Hammer(served.address, cases, seed=1, budget=budget, **options)
        try:
            hammer.run()
        finally:
            Crowded.release.set()
    return hammer


@pytest.fixture(autouse=True)
def _fresh():
    Crowded.release.clear()
    Crowded.both.reset()


def test_an_error_that_no_call_made_alone_raised_is_found():
    found = hammered(Crowded, ["fail"]).findings

    assert {finding.kind for finding in found} == {"crash"}
    assert "KeyError" in found[0].message
    assert "fail beside fail" in found[0].message
    assert "__expected_errors__" in found[0].explanation


def test_another_result_of_a_deterministic_tool_is_found():
    found = hammered(Crowded, ["differ"]).findings

    assert {finding.kind for finding in found} == {"invariant-broken"}
    assert "'crowded'" in found[0].message
    assert "alone it returns 'alone'" in found[0].message


def test_a_call_that_does_not_end_is_found_and_ends_the_run():
    hammer = hammered(Crowded, ["hang"], calls=1000, patience=2.0)

    assert {finding.kind for finding in hammer.findings} == {"deadlock"}
    assert hammer.cycles == 0


def test_every_pair_of_tools_is_called_and_checked_when_it_has_ended():
    checked = []

    def check(calls):
        checked.append({call.tool for call in calls})
        return []

    hammer = hammered(Shop, ["sell", "price", "shelf"], calls=200, check=check)

    assert hammer.findings == []
    assert hammer.all_pairs == 6
    for pair in ({"sell"}, {"sell", "price"}, {"price", "shelf"}, {"shelf"}):
        assert pair in checked


def test_the_same_seed_makes_the_same_calls():
    def calls(seed):
        made = []
        cases = arguments.of_adapter(Shop)
        with testing.serve(Shop, threads=8) as served:
            Hammer(
                served.address,
                cases,
                seed=seed,
                budget=Budget(None, 90),
                check=lambda calls: made.append(calls) or [],
            ).run()
        return [
            sorted((c.thread, c.number, c.tool, str(c.arguments)) for c in part)
            for part in made[:7]
        ]

    assert calls(5) == calls(5)
    assert calls(5) != calls(6)


def test_the_budget_counts_calls_and_ends():
    budget = Budget(None, 2)

    assert [budget.take() for _ in range(3)] == [True, True, False]
    assert budget.calls == 2
    assert Budget(0.0, None).is_over()
