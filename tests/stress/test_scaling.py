"""What figures mean: ratios within rounds, and where a loss comes from."""

import pytest

from ftstress.scaling import Loss, Series, Spread


def figures(one, shared, own):
    return [
        {"threads": 1, "is_shared": False, "rate": one},
        {"threads": 2, "is_shared": True, "rate": shared},
        {"threads": 2, "is_shared": False, "rate": own},
    ]


def test_a_spread_is_median_lowest_and_highest():
    assert f"{Spread.of([3.0, 1.0, 2.0]):.1f}" == "2.0 (1.0 to 3.0)"
    with pytest.raises(ValueError, match="at least one figure"):
        Spread.of([])


def test_ratios_are_taken_within_a_round():
    # The machine is twice as slow in the second round; the scaling is the same in both.
    series = Series.of([figures(100.0, 150.0, 200.0), figures(50.0, 75.0, 100.0)])
    assert series.threads == [1, 2]
    assert series.scaling(2, True) == Spread(1.5, 1.5, 1.5)
    assert series.scaling(2, False) == Spread(2.0, 2.0, 2.0)
    other = Series.of([figures(200.0, 100.0, 100.0), figures(100.0, 50.0, 50.0)])
    assert series.over(other, 1, True, 1) == Spread(0.5, 0.5, 0.5)
    assert series.over(other, 2, True, 2) == Spread(1.5, 1.5, 1.5)


@pytest.mark.parametrize(
    ("shared", "own", "waiting", "expected"),
    [
        (200.0, 200.0, 0.0, (0.0, 0.0, 0.0, 0.0)),  # nothing is lost
        (80.0, 200.0, 0.6, (0.6, 0.6, 0.0, 0.0)),  # all of it to locks
        (80.0, 200.0, 0.0, (0.6, 0.0, 0.6, 0.0)),  # to sharing without a lock
        (80.0, 80.0, 0.0, (0.6, 0.0, 0.0, 0.6)),  # objects of each thread's own lose as much
        (80.0, 160.0, 0.25, (0.6, 0.25, 0.15, 0.2)),  # some of each
        (80.0, 200.0, 0.9, (0.6, 0.6, 0.0, 0.0)),  # who waits longer than was lost lost no more
        (80.0, 20.0, 0.3, (0.6, 0.0, 0.0, 0.6)),  # more is lost without sharing
    ],
)
def test_what_was_lost_is_attributed(shared, own, waiting, expected):
    loss = Loss.of(Series.of([figures(100.0, shared, own)]), 2, waiting)
    assert (loss.total, loss.locks, loss.sharing, loss.rest) == pytest.approx(expected)
    assert loss.locks + loss.sharing + loss.rest == pytest.approx(loss.total)


def test_a_loss_in_words():
    loss = Loss.of(Series.of([figures(100.0, 80.0, 160.0)]), 2, 0.25)
    text = loss.text([("Lock made at a.py:3", 0.25)])
    assert text.startswith("60% of 2 threads' work is lost: 25% waiting for locks (Lock made at")
    assert "15% sharing the object" in text
    assert "20% lost on objects of each thread's own" in text
    small = Loss.of(Series.of([figures(100.0, 190.0, 200.0)]), 2, 0.0)
    assert small.text([]).startswith("nothing lost")
