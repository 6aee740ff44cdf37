"""`AtomicInt` and `AtomicRef`: no change is lost between reading and writing."""

import operator

import pytest
from locks.races import Rendezvous, Unlocked

from ftlocks import AtomicInt, AtomicRef
from ftstress import run_parallel

WEAKENED = pytest.mark.parametrize("weakened", [False, True])


def weaken(atomic):
    atomic._lock = Unlocked()


@WEAKENED
def test_two_additions_at_once_are_both_there(weakened):
    """Each addition meets the other between its reading and its writing, if it can."""

    class Amount(int):
        def __radd__(self, other):
            between.meet()
            return int(other) + int(self)

    between = Rendezvous(expected=weakened)
    number = AtomicInt()
    if weakened:
        weaken(number)

    run_parallel(*[lambda: number.add(Amount(1))] * 2)

    assert number.get() == (1 if weakened else 2)


@WEAKENED
def test_of_two_that_compare_and_set_one_wins(weakened):
    class Meeting(AtomicRef):
        __slots__ = ()

        def _same(self, a, b):
            same = super()._same(a, b)
            between.meet()
            return same

    between = Rendezvous(expected=weakened)
    old = object()
    reference = Meeting(old)
    if weakened:
        weaken(reference)

    won = run_parallel(*[lambda: reference.compare_and_set(old, object())] * 2)

    assert sorted(won) == ([True, True] if weakened else [False, True])


class Overwriting(AtomicRef):
    """Sets what it computed, whatever has happened meanwhile."""

    __slots__ = ()

    def update(self, function):
        after = function(self.get())
        self.set(after)
        return after


@pytest.mark.parametrize("kind", [AtomicRef, Overwriting])
def test_no_update_is_lost(kind):
    reference = kind(())
    read = Rendezvous(expected=True)
    first_time = set()

    def append(name):
        def function(names):
            if name not in first_time:
                first_time.add(name)
                read.meet()  # both have read before any writes
            return (*names, name)

        return reference.update(function)

    run_parallel(lambda: append("a"), lambda: append("b"))

    assert len(reference.get()) == (2 if kind is AtomicRef else 1)
    if kind is AtomicRef:
        assert sorted(reference.get()) == ["a", "b"]
        assert reference.statistics().refusals == 1


def test_sums_are_exact_under_load():
    number = AtomicInt(5, name="calls")
    run_parallel(*[number.add] * 4, rounds=200)
    assert number.get() == int(number) == operator.index(number) == 805
    assert number.statistics().changes == 800
    assert repr(number) == "<ftlocks.AtomicInt 'calls' 805>"


def test_references_are_compared_by_identity_and_numbers_by_value():
    one, other = [1], [1]
    reference = AtomicRef(one)
    assert not reference.compare_and_set(other, [])
    assert reference.compare_and_set(one, other)
    assert reference.exchange(one) is other
    number = AtomicInt(10**20)
    assert number.compare_and_set(10**20, 7)
    assert number.add(-7) == 0
    assert number.update(lambda n: n + 1) == 1
