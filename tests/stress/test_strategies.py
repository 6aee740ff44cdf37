"""The strategies on their own: what they choose, in which order, and what they promise."""

import itertools

import pytest

from ftstress import PCT, BoundedDFS, NondeterminismError, RandomWalk, explore
from ftstress.places import Place, Site
from ftstress.strategies import strategy_named
from ftstress.tasks import Choice
from stress import classics


class Program:
    """Threads that only take steps: `lengths` of them each; what a strategy makes of it."""

    def __init__(self, *lengths):
        self.lengths = lengths

    def run(self, strategy):
        left = {(number,): length for number, length in enumerate(self.lengths)}
        order, current = [], None
        while any(left.values()):
            enabled = tuple(task for task, count in left.items() if count)
            here = current if current in enabled else None
            if len(enabled) == 1:
                current = enabled[0]
            else:
                current = strategy.choose(Choice(enabled, here, None), Placeless())
            left[current] -= 1
            order.append(current[0])
        return tuple(order)


class Placeless:
    site = Site(Place("", "nowhere", 0, ""), "", 0)


def all_runs(strategy, program):
    runs = []
    while strategy.begin(len(runs)):
        runs.append(program.run(strategy))
    return runs


def switches(order):
    """Switches away from a thread that had steps left."""
    return sum(
        a != b and a in order[place + 1 :] for place, (a, b) in enumerate(itertools.pairwise(order))
    )


@pytest.mark.parametrize("bound", [0, 1, 2, 3])
def test_depth_first_runs_every_schedule_within_its_bound(bound):
    everything = set(itertools.permutations([0, 0, 0, 1, 1, 1]))
    within = {order for order in everything if switches(order) <= bound}
    strategy = BoundedDFS(bound)
    assert set(all_runs(strategy, Program(3, 3))) == within
    assert strategy.is_complete
    assert "all schedules within the bound were run" in strategy.describe()


def test_depth_first_tries_few_preemptions_first():
    counts = [switches(order) for order in all_runs(BoundedDFS(2), Program(3, 3))]
    first = [counts.index(number) for number in (0, 1, 2)]
    assert first == sorted(first)
    assert max(counts[: first[1]]) == 0


def test_depth_first_notices_that_the_test_differs():
    strategy = BoundedDFS(2)
    strategy.begin(0)
    Program(2, 2).run(strategy)
    strategy.begin(1)
    with pytest.raises(NondeterminismError, match="did something else in the same schedule"):
        Program(2, 2, 2).run(strategy)


def test_a_random_walk_is_its_seed_and_reaches_everything():
    program = Program(2, 2)
    runs = set()
    for iteration in range(200):
        walk, again = RandomWalk(3), RandomWalk(3)
        walk.begin(iteration)
        again.begin(iteration)
        order = program.run(walk)
        assert order == program.run(again)
        runs.add(order)
    assert runs == set(itertools.permutations([0, 0, 1, 1]))


def test_pct_of_depth_one_never_preempts():
    strategy = PCT(depth=1, seed=5)
    for iteration in range(20):
        strategy.begin(iteration)
        assert switches(Program(4, 4, 4).run(strategy)) == 0


def test_pct_preempts_less_often_than_its_depth():
    strategy = PCT(depth=3, seed=1)
    most = 0
    for iteration in range(200):
        strategy.begin(iteration)
        most = max(most, switches(Program(4, 4, 4).run(strategy)))
    assert most == 2


def test_pct_finds_a_bug_at_least_as_often_as_it_promises():
    # Depth 2: thread 0's last step before thread 1's first, and thread 2 before both.
    found = 0
    strategy = PCT(depth=2, seed=0)
    for iteration in range(1000):
        strategy.begin(iteration)
        order = Program(4, 4).run(strategy)
        found += order[:2] == (1, 0)  # thread 1 stopped after exactly one step
    assert found / 1000 >= strategy.bound
    assert strategy.bound == 1 / (strategy.threads * strategy.choices)
    assert f"= {strategy.bound:.2g}, by 1000 runs" in strategy.describe()


def test_pct_sets_a_thread_back_that_spins():
    strategy = PCT(depth=1)
    strategy.begin(0)
    both = ((0,), (1,))
    first = strategy.choose(Choice(both, None, None), Placeless())
    other = next(task for task in both if task != first)
    assert strategy.choose(Choice((other,), None, first), Placeless()) == other
    assert strategy.choose(Choice(both, other, None), Placeless()) == other


def test_the_whole_of_a_small_test_can_be_run():
    found = explore(
        classics.lost_update_mended, strategy=BoundedDFS(1), granularity="line", iterations=1000
    )
    assert found.is_complete
    assert found.runs == found.distinct + 1 or found.runs >= found.distinct


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PCT(depth=0), "depth must be at least 1, got 0"),
        (lambda: BoundedDFS(-1), "must not be negative, got -1"),
        (lambda: strategy_named("best", 0), "no strategy 'best'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
