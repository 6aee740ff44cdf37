"""Delta debugging."""

import pytest

from ftstress.minimise import fewest


@pytest.mark.parametrize("needed", [set(), {3}, {0, 19}, {2, 3, 11}, set(range(20))])
def test_what_is_left_is_what_is_needed(needed):
    def fails(elements):
        return elements if needed <= set(elements) else None

    assert set(fewest(list(range(20)), fails, 1000)) == needed


def test_the_list_that_was_really_needed_is_gone_on_with():
    # As a run that did not take some of its decisions.
    assert fewest(list(range(20)), lambda elements: [e for e in elements if e == 7], 1000) == []
    assert fewest([7, 8], lambda elements: [7] if 7 in elements else None, 10) == [7]


def test_the_budget_is_kept():
    tried = []

    def fails(elements):
        tried.append(elements)

    assert fewest(list(range(50)), fails, 10) == list(range(50))
    assert len(tried) == 10
