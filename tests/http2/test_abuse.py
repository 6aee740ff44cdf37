"""The token bucket."""

from ftbridge.http2.abuse import RateLimit


def test_burst_then_rate() -> None:
    limit = RateLimit(rate=2.0, burst=3.0)
    assert [limit.spend(100.0) for _ in range(4)] == [True, True, True, False]
    assert [limit.spend(100.5) for _ in range(2)] == [True, False]
    assert [limit.spend(101.5) for _ in range(3)] == [True, True, False]


def test_rest_fills_no_further_than_the_burst() -> None:
    limit = RateLimit(rate=2.0, burst=3.0)
    assert limit.spend(0.0)
    assert [limit.spend(1e9) for _ in range(4)] == [True, True, True, False]


def test_weight() -> None:
    limit = RateLimit(rate=1.0, burst=10.0)
    assert limit.spend(0.0, 8)
    assert not limit.spend(0.0, 3)
    assert limit.spend(0.0, 2)


def test_a_clock_that_steps_back_changes_nothing() -> None:
    limit = RateLimit(rate=1.0, burst=2.0)
    assert limit.spend(10.0)
    assert limit.spend(5.0)
    assert not limit.spend(10.5)
    assert limit.spend(11.0)
