"""Times on a command line."""

import pytest

from ftlocks.profiler.times import seconds


@pytest.mark.parametrize(
    ("text", "value"), [("10us", 1e-5), ("2ms", 0.002), ("0.5s", 0.5), (" 7 ns", 7e-9)]
)
def test_a_time_has_a_unit(text, value):
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["10", "us", "-1s", "1h", ""])
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="write it like 10us"):
        seconds(text)
