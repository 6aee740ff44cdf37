"""A module with another file's source."""

import importlib
import sys

import pytest

from ftstress import mutants


@pytest.mark.parametrize("rewritten", [True, False])
def test_a_module_comes_from_another_file_while_the_block_lasts(tmp_path, monkeypatch, rewritten):
    (tmp_path / "replaced_one.py").write_text("value = 1\n")
    (tmp_path / "other.py").write_text("value = 2\nclass Box:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with mutants.replaced({"replaced_one": tmp_path / "other.py"}, rewritten=rewritten):
        module = importlib.import_module("replaced_one")

    try:
        assert module.value == 2
        assert module.__file__ == str(tmp_path / "other.py")
        with (
            pytest.raises(ValueError, match="imported before it could be replaced: replaced_one"),
            mutants.replaced({"replaced_one": tmp_path / "other.py"}, rewritten=False),
        ):
            pass
    finally:
        del sys.modules["replaced_one"]
    assert importlib.import_module("replaced_one").value == 1
    del sys.modules["replaced_one"]


def test_one_occurrence_is_replaced():
    assert mutants.without("a b a", "a", instead="c", which=1) == "a b c"
    with pytest.raises(ValueError, match="occurs 2 times, there is no number 2"):
        mutants.without("a b a", "a", instead="c", which=2)
