"""Object tests: scripts, recordings, failures and how they are made smaller."""

import random
import sys

import pytest
from stress.object_tests import Atomic, Deaf, Dies, Keyed, Number, Off, Racy, Table

from ftstress import objects
from ftstress.linearizability import check
from ftstress.object_tests import Recording, planned, smaller
from ftstress.objects import (
    Call,
    ObjectTest,
    ObjectTestError,
    choice,
    integers,
    operation,
    run,
)

GIL = sys._is_gil_enabled()


def test_a_failing_history_is_found_made_smaller_and_cut(monkeypatch):
    monkeypatch.setattr(objects, "_SHRINKING_RUNS", 100)  # it fails each time, or never
    monkeypatch.setattr(objects, "_SHRINKING_SECONDS", 60)
    result = run(Off, seconds=None, count=2000)

    failure = result.failure
    assert result.status == 1
    assert not check(failure.recorded, planned(Off).spec).is_linearizable
    # Three calls of add show it; one of them may be seen by a `get`.
    calls = [call for thread in failure.script for call in thread]
    assert calls.count(Call("add", (1,))) == 3
    assert len(calls) <= 4
    assert sum(map(len, failure.first)) == 9
    assert 4 in {each.result for each in failure.history}
    assert failure.verdict.refused


def test_a_right_object_passes_unless_the_gil_was_on():
    result = run(Atomic, seconds=None, count=300)

    assert result.failure is None
    assert (result.histories, result.operations) == (300, 2700)
    assert result.scripts == 8  # 40 runs each
    assert result.status == (2 if GIL else 0)


def test_histories_of_keys_are_checked_key_by_key():
    result = run(Keyed, seconds=None, count=200)
    assert result.failure is None
    plan = planned(Keyed)
    assert plan.key(Call("put", ("b", 3))) == "b"


def test_who_is_stuck_although_the_model_lets_it_go_on_is_a_failure():
    Deaf.never = type(Deaf.never)()
    try:
        for seed in range(8):  # until a script has both an `open` and a `wait`
            result = run(Deaf, seconds=None, count=1, seed=seed, patience=0.2)
            if result.failure is not None:
                break
    finally:
        Deaf.never.set()
    assert result.failure is not None
    assert any(each.is_stuck for each in result.failure.history)


def test_a_thread_that_dies_leaves_its_call_pending():
    result = run(Dies, seconds=None, count=80, repeats=4)
    assert result.failure is None  # whether it has happened is open, and both are right
    plan = planned(Dies)
    recording = Recording(plan, ((Call("add", (1,)), Call("get", ())),), iter(range(9)).__next__)
    recording.play(0)
    (only,) = recording.history(plan)
    assert (only.name, only.returned, only.is_stuck) == ("add", None, False)


def test_scripts_come_from_the_seed():
    plan = planned(Racy)
    first, again = plan.script(random.Random(5)), plan.script(random.Random(5))
    assert first == again
    assert [len(calls) for calls in first] == [2, 2, 2]
    assert len({plan.script(random.Random(seed)) for seed in range(20)}) > 10


def test_stamps_enclose_the_call():
    plan = planned(Racy)
    ticks = iter(range(100))
    recording = Recording(plan, ((Call("add", (2,)), Call("get", ())),), ticks.__next__)
    recording.play(0)
    history = recording.history(plan)
    assert [(str(each), each.invoked, each.returned) for each in history] == [
        ("add(2) -> 2", 0, 1),
        ("get() -> 2", 2, 3),
    ]


def test_smaller_leaves_out_each_call_once():
    script = ((Call("a", ()), Call("b", ())), (Call("c", ()),))
    assert list(smaller(script)) == [
        ((Call("b", ()),), (Call("c", ()),)),
        ((Call("a", ()),), (Call("c", ()),)),
        ((Call("a", ()), Call("b", ())), ()),
    ]


def test_progress_tells_of_the_histories():
    told = []
    run(Atomic, seconds=None, count=120, progress=told.append)
    assert told[-1] == 120


def _bare():
    class Bare(ObjectTest):
        model = Number

    return Bare


def _no_model():
    class NoModel(Racy):
        model = None

    return NoModel


def _no_method():
    class NoMethod(Racy):
        model = Table

    return NoMethod


def _no_generator():
    class NoGenerator(Racy):
        @operation()
        def add(self, amount):
            return amount

    return NoGenerator


def _no_key():
    class NoKey(Racy):
        partition_by = "key"

    return NoKey


def _one_thread():
    class One(Racy):
        threads = 1

    return One


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_bare, "has no operations"),
        (_no_model, "has no model"),
        (_no_method, "the model of .*NoMethod has no method 'add'"),
        (_no_generator, r"takes \['amount'\], and has generators for \[\]"),
        (_no_key, "has no parameter 'key' to partition by"),
        (_one_thread, "at least 2 threads .*threads=1"),
    ],
)
def test_a_test_that_is_none_says_what_is_missing(make, message):
    with pytest.raises(ObjectTestError, match=message):
        planned(make())


def test_generators_stay_within_their_bounds():
    source = random.Random(1)
    assert {integers(1, 3)(source) for _ in range(100)} == {1, 2, 3}
    assert {choice("a", None)(source) for _ in range(50)} == {"a", None}
