"""Tests of ``tools.setup_lib.recipe``: what decides that an old build is not the right one."""

import pytest

from tools.setup_lib import recipe as module
from tools.setup_lib.recipe import Recipe


def test_the_twin_differs_in_the_gil_alone() -> None:
    for pgo in (False, True):
        mine = Recipe(free_threaded=True, pgo=pgo)
        assert set(mine.configure_options) - set(mine.twin.configure_options) == {"--disable-gil"}
        assert set(mine.twin.configure_options) < set(mine.configure_options)
        assert mine.twin.twin == mine


def test_every_recipe_has_a_name_of_its_own() -> None:
    recipes = [
        Recipe(free_threaded, pgo) for free_threaded in (True, False) for pgo in (True, False)
    ]
    assert len({recipe.build_name("3.13.5-2") for recipe in recipes}) == 4
    assert recipes[0].build_name("3.13.5-2") != recipes[0].build_name("3.13.5-3")


@pytest.mark.parametrize("name", ["COMPILE_FLAGS", "PATCH_SUFFIX", "STEPS_VERSION", "CONFIGURE"])
def test_a_changed_flag_changes_the_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(free_threaded=True, pgo=False)
    before = recipe.build_name("3.13.5")
    monkeypatch.setattr(module, name, ("--other",) if name == "CONFIGURE" else "other")
    assert recipe.build_name("3.13.5") != before


def test_the_name_needs_no_quoting() -> None:
    name = Recipe(free_threaded=True, pgo=False).build_name("3.13.5-2+deb13u5~x")
    assert name.startswith("cpython-3.13.5-2_deb13u5_x-free-threaded-")
