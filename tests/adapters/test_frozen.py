"""A configuration that cannot be changed, at any depth."""

import pytest

from ftbridge.adapters.frozen import freeze, frozen_mapping


def test_every_level_is_read_only_and_a_copy():
    given = {"model": {"layers": [{"size": 3}, 4]}, "tags": {"a"}}
    frozen = frozen_mapping(given)
    given["model"]["layers"][0]["size"] = 5
    given["model"]["layers"].append(6)
    given["tags"].add("b")

    assert frozen["model"]["layers"][0]["size"] == 3
    assert frozen["model"]["layers"][1:] == (4,)
    assert frozen["tags"] == {"a"}
    with pytest.raises(TypeError):
        frozen["model"]["layers"][0]["size"] = 7
    with pytest.raises(TypeError):
        frozen["model"]["new"] = 1
    with pytest.raises(AttributeError):
        frozen["tags"].add("c")


@pytest.mark.parametrize("value", ["text", b"raw", 3, None, 1.5])
def test_what_cannot_change_is_taken_as_it_is(value):
    assert freeze(value) is value
