"""`SpinBarrier`: nobody leaves before all have come; broken once, broken for good."""

import threading

import pytest
from locks.races import started, wait_until

from ftlocks import BarrierTimeoutError, SpinBarrier
from ftstress import run_parallel


def test_nobody_leaves_before_all_have_arrived():
    barrier = SpinBarrier(3)
    arrived = []
    seen = []

    def party():
        arrived.append(1)
        order = barrier.wait()
        seen.append(len(arrived))
        return order

    orders = run_parallel(party, party, party)

    assert seen == [3, 3, 3]
    assert sorted(orders) == [0, 1, 2]


def test_can_be_used_again_at_once():
    barrier = SpinBarrier(2)
    steps = [0, 0]
    apart = []

    def party(index):
        for _ in range(200):
            steps[index] += 1
            barrier.wait()
            apart.append(steps[1 - index] - steps[index])
            barrier.wait()

    run_parallel(lambda: party(0), lambda: party(1))

    assert set(apart) == {0}


def test_gives_up_after_its_timeout_and_stays_broken():
    barrier = SpinBarrier(2, timeout=0.01)

    with pytest.raises(BarrierTimeoutError, match=r"not all of 2 parties .* within 0\.01 s"):
        barrier.wait()
    with pytest.raises(TimeoutError):
        barrier.wait()
    assert barrier.broken


def test_abort_frees_those_that_wait():
    barrier = SpinBarrier(2, timeout=None)
    failures = []

    def party():
        try:
            barrier.wait()
        except BarrierTimeoutError as error:
            failures.append(error)

    thread = threading.Thread(target=party)
    thread.start()
    barrier.abort()
    thread.join(30)

    assert len(failures) == 1


def test_one_party_never_waits():
    assert SpinBarrier(1, timeout=0).wait() == 0


def test_refuses_no_parties():
    with pytest.raises(ValueError, match="parties=0"):
        SpinBarrier(0)


def test_it_tells_its_state():
    barrier = SpinBarrier(2, name="start")
    run_parallel(barrier.wait, barrier.wait, rounds=3)
    figures = barrier.statistics()
    assert (figures.name, figures.parties, figures.rounds) == ("start", 2, 3)
    assert (figures.waiting, figures.broken) == (0, False)
    assert repr(barrier) == "<ftlocks.SpinBarrier 'start' 0 of 2 arrived>"
    barrier.abort()
    assert repr(barrier) == "<ftlocks.SpinBarrier 'start' broken>"


class Leaky(SpinBarrier):
    """Does not wait for the others."""

    __slots__ = ()

    def wait(self):
        return 0


@pytest.mark.parametrize("kind", [SpinBarrier, Leaky])
def test_the_waiting_is_what_keeps_the_early_one(kind):
    barrier = kind(2)
    came = []

    def meet():
        barrier.wait()
        return list(came)

    with started(meet) as early:
        if kind is SpinBarrier:
            wait_until(lambda: barrier.statistics().waiting == 1)
        else:
            early.join()
        came.append("late")
        barrier.wait()

    assert early.result == (["late"] if kind is SpinBarrier else [])
