"""`StripedLock`: the same lock for the same key, and one order for several."""

import pytest
from locks.races import Rendezvous

import ftlocks
from ftlocks import AcquireTimeoutError, Observer, RLock, StripedLock, observing
from ftstress import run_parallel


class Fresh(StripedLock):
    """Makes a lock for everybody who asks."""

    __slots__ = ()

    def __getitem__(self, key):
        return RLock()


@pytest.mark.parametrize("kind", [StripedLock, Fresh])
def test_one_thread_per_key_is_inside(kind):
    striped = kind(4)
    inside = Rendezvous(expected=kind is Fresh)

    def enter():
        with striped["key"]:
            return inside.meet()

    assert run_parallel(enter, enter) == [kind is Fresh] * 2


def test_keys_of_different_stripes_do_not_wait_for_each_other():
    striped = StripedLock(4)
    inside = Rendezvous(expected=True)

    def enter(key):
        with striped[key]:
            return inside.meet()

    assert run_parallel(lambda: enter(0), lambda: enter(1)) == [True, True]
    assert striped[0] is striped[4] is not striped[1]
    assert striped[1] is striped[1.0]
    assert len(striped) == 4


def test_several_keys_are_taken_in_one_order_whatever_was_said():
    striped = StripedLock(4, "table")
    orders = []

    class Watcher(Observer):
        def wanted(self, lock, mode, blocking):
            orders[-1].append(lock.label)

    with observing(Watcher()):
        for keys in ((3, 1, 2), (2, 3, 1), (5, 1, 2, 3, 7)):
            orders.append([])
            with striped.hold_all(*keys):
                assert striped.statistics().locked == 3
    assert orders == [["table[1]", "table[2]", "table[3]"]] * 3
    assert striped.statistics().locked == 0
    assert striped.statistics().acquisitions == 9


def test_several_keys_within_a_time_or_none():
    striped = StripedLock(4, "table", statistics=True)
    with striped[2]:

        def attempt():
            with pytest.raises(AcquireTimeoutError, match=r"'table\[2\]' owner=Main.*0\.01 s"):
                striped.hold_all(1, 2, timeout=0.01).__enter__()
            assert not striped[1].locked()

        run_parallel(attempt)
        assert repr(striped) == "<ftlocks.StripedLock 'table' 1 of 4 stripes held>"
    assert striped.statistics().contentions == 1
    assert striped.statistics().observed
    assert "table[0]" in {state.info.label for state in ftlocks.states()}


def test_stripes_must_be_a_power_of_two():
    with pytest.raises(ValueError, match="got 3"):
        StripedLock(3)
