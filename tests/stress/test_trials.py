"""Batches of trials: every function sees every state, delays and limits do what they say."""

import random
import sys
import threading
import time

import pytest

from ftstress import trials
from ftstress.trials import HANGS, Chaos, Pace, Timing, run_batch, timing


class State:
    def __init__(self):
        self.seen = []


def plan(**changed):
    facts = {"lockstep": True, "skew": 0, "chaos": False, "switch_interval": None, "first": 0}
    return Timing(**{**facts, **changed})


def first(state):
    state.seen.append("first")
    return 1


def second(state):
    state.seen.append("second")
    return 2


@pytest.mark.parametrize("lockstep", [True, False])
@pytest.mark.parametrize("skew", [0, 50])
def test_each_function_runs_once_on_each_state(lockstep, skew):
    batch = run_batch(
        State,
        (first, second),
        30,
        plan(lockstep=lockstep, skew=skew, first=1),
        random.Random(1),
        patience=30,
    )
    assert not batch.is_stuck
    assert [results for _, results in batch.trials] == [(1, 2)] * 30
    assert all(sorted(state.seen) == ["first", "second"] for state, _ in batch.trials)


def test_the_one_that_hangs_is_named_and_the_trials_before_it_count():
    over = threading.Event()
    states = []

    def make():
        states.append(State())
        return states[-1]

    def hang(state):
        if state is states[3]:
            over.wait()
        return 1

    try:
        batch = run_batch(make, (hang, second), 10, plan(), random.Random(1), patience=0.3)
    finally:
        over.set()
    assert batch.is_stuck
    assert [results for _, results in batch.trials] == [(1, 2)] * 3 + [(HANGS, 2)]


def test_chaos_delays_at_the_edges_of_locks_made_by_the_state(monkeypatch):
    edges = []
    monkeypatch.setattr(Chaos, "_delay", lambda self: edges.append(1))

    class Locked(State):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

    def take(state):
        with state.lock:
            pass

    run_batch(Locked, (take, first), 2, plan(), random.Random(1), patience=30)
    assert not edges
    run_batch(Locked, (take, first), 2, plan(chaos=True), random.Random(1), patience=30)
    assert len(edges) >= 2 * 3  # wants, holds, lets go


def test_chaos_does_nothing_gives_way_burns_and_sleeps(monkeypatch):
    slept = []
    monkeypatch.setattr(trials.time, "sleep", slept.append)
    chaos = Chaos(1)
    for _ in range(2000):
        chaos.wants(None)
    assert 200 < slept.count(0) < 400
    assert 10 < slept.count(5e-5) < 90


def test_the_switch_interval_is_put_back_after_a_batch():
    before = sys.getswitchinterval()
    inside = []
    run_batch(
        State,
        (lambda _: inside.append(sys.getswitchinterval()), first),
        1,
        plan(switch_interval=0.25),
        random.Random(1),
        patience=30,
    )
    assert inside == [0.25]
    assert sys.getswitchinterval() == before


def test_timings_come_from_the_seed_and_vary():
    def drawn(seed):
        choices = random.Random(seed)
        return [timing(choices, 2, chaos=True) for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    for fact in ("lockstep", "skew", "chaos", "first"):
        assert len({getattr(each, fact) for each in drawn(1)}) > 1, fact
    intervals = {each.switch_interval for each in drawn(1)}
    assert intervals == (set(trials.SWITCH_INTERVALS) if sys._is_gil_enabled() else {None})


def test_pace_stops_at_the_count_and_at_the_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    pace = Pace(None, 70)
    assert pace.next() == 50
    pace.ran(50, 1e-3)
    assert pace.next() == 20
    pace.ran(20, 1e-3)
    assert pace.next() == 0

    pace = Pace(1.0, None)
    pace.ran(pace.next(), 0.3)
    assert pace.next() == 5  # 50 trials took 0.3 s, and a batch should take 0.03 s
    now[0] = 1.5
    assert pace.next() == 0

    pace = Pace(1.0, 1000)
    now[0] = 3.0
    pace.ran(pace.next(), 1.0)
    assert pace.next() == 0  # the time is over first


@pytest.mark.parametrize(
    ("limits", "message"),
    [((None, None), "needs a limit"), ((0, None), "above 0 s"), ((None, 0), "at least 1")],
)
def test_limits_must_make_sense(limits, message):
    with pytest.raises(ValueError, match=message):
        Pace(*limits)
