"""Lists, maps, sets and tuples with typed elements."""

import collections.abc as abc

import pytest

from ftbridge.adapters.annotations import accept
from ftbridge.adapters.matching import Mismatch


def test_ints_in_a_list_of_floats_become_floats_and_the_callers_list_stays():
    given = [1, 2.5]
    taken = accept(list[float]).take(given)
    assert [type(x) for x in taken] == [float, float]
    assert taken == [1.0, 2.5]
    assert type(given[0]) is int
    assert accept(dict[str, float]).take({"a": 1, "b": 2.0}) == {"a": 1.0, "b": 2.0}


def test_nothing_is_copied_that_fits():
    for annotation, value in ((list[float], [1.5]), (dict[str, int], {"a": 1}), (list[int], ())):
        assert accept(annotation).take(value) is value


def test_every_wrong_element_is_named_up_to_five():
    with pytest.raises(Mismatch) as caught:
        accept(list[int]).take([1, "a", 2, None])
    assert str(caught.value) == (
        "one whose element 1 is str, not an integer and whose element 3 is null, not an integer"
    )
    with pytest.raises(Mismatch, match=r"element 4 is str, not an integer and 3 more problems$"):
        accept(list[int]).take(["a"] * 8)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (set, set),
        (set[int], set),
        (frozenset[int], frozenset),
        (abc.Set[int], frozenset),
        (abc.MutableSet[int], set),
    ],
)
def test_a_set_is_made_of_a_list(annotation, kind):
    taken = accept(annotation).take([1, 2, 2])
    assert type(taken) is kind
    assert taken == {1, 2}
    assert accept(annotation).take({1, 2}) == {1, 2}


@pytest.mark.parametrize("value", [["a"], [[1]], {"a": 1}, "text", 3])
def test_what_makes_no_set_is_refused(value):
    with pytest.raises(Mismatch):
        accept(set[int]).take(value)


def test_elements_that_no_set_can_hold_are_a_mismatch():
    with pytest.raises(Mismatch, match="no set can hold"):
        accept(set).take([[1]])


def test_a_fixed_tuple_has_its_length_and_each_its_type():
    pair = accept(tuple[float, str])
    assert pair.take([1, "a"]) == [1.0, "a"]
    assert pair.take((1, "a")) == (1.0, "a")
    with pytest.raises(Mismatch, match="one of 3"):
        pair.take([1, "a", None])
    with pytest.raises(Mismatch, match="element 1 is int, not a string"):
        pair.take([1.0, 2])
    with pytest.raises(Mismatch, match=r"^str$"):
        pair.take("ab")
