"""Pauses between attempts."""

from typing import Any

import pytest

from ftbridge.client import NO_RETRIES, RetryPolicy


def test_as_many_pauses_as_attempts_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    policy = RetryPolicy(attempts=6, first_pause=1.0, longest_pause=5.0, factor=2.0)
    assert list(policy.pauses()) == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert list(NO_RETRIES.pauses()) == []


def test_pauses_are_drawn_from_the_whole_range(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        ranges.append((low, high))
        return low

    monkeypatch.setattr("random.uniform", uniform)
    assert list(RetryPolicy(attempts=3, first_pause=1.0).pauses()) == [0.0, 0.0]
    assert ranges == [(0.0, 1.0), (0.0, 2.0)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"attempts": 0}, "attempts=0"),
        ({"first_pause": -1}, "first_pause=-1"),
        ({"first_pause": 3.0, "longest_pause": 2.0}, "longest_pause=2.0"),
        ({"factor": 0.5}, "factor=0.5"),
    ],
)
def test_numbers_out_of_range(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RetryPolicy(**wrong)
