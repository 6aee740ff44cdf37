"""From a name on the command line to a class, or to an error that helps."""

import sys

import pytest

from ftbridge import load_adapter
from ftbridge.adapters.errors import AdapterLoadError

SOURCE = """
from ftbridge import BaseAdapter, ThreadSafeAdapter

class Mine(BaseAdapter):
    pass

class Shared(ThreadSafeAdapter):
    pass

class Plain:
    pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a module that no other test has imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("spec", ["loadable.Mine", "loadable:Mine"])
def test_both_spellings_find_a_class_in_the_current_folder(folder, spec):
    (folder / "loadable.py").write_text(SOURCE)
    assert load_adapter(spec).__qualname__ == "Mine"


def refused(spec):
    with pytest.raises(AdapterLoadError) as caught:
        load_adapter(spec)
    assert caught.value.spec == spec
    return str(caught.value)


@pytest.mark.parametrize("spec", ["", "Mine", ".Mine", "loadable:", ":Mine", "a:b:c", "a.b-c"])
def test_what_names_no_class_is_refused(spec):
    assert "does not name an adapter" in refused(spec)


def test_a_missing_module_is_told_from_a_missing_dependency(folder):
    (folder / "needy.py").write_text("import not_installed_here")
    assert "there is no module 'not_there'" in refused("not_there.sub.Mine")
    assert "needy needs the module 'not_installed_here'" in refused("needy.Mine")


@pytest.mark.parametrize("statement", ["1 / 0", "raise SystemExit(3)", "def broken("])
def test_a_module_that_fails_is_named_with_its_error_as_cause(folder, statement):
    (folder / "failing.py").write_text(statement)
    assert "importing failing failed: " in refused("failing.Mine")
    with pytest.raises(AdapterLoadError) as caught:
        load_adapter("failing.Mine")
    assert caught.value.__cause__ is not None


def test_a_misspelt_class_gets_an_offer_of_the_modules_own_adapters(folder):
    (folder / "loadable.py").write_text(SOURCE)
    message = refused("loadable.Mien")
    assert "did you mean 'Mine'?" in message
    assert message.endswith("It defines: Mine, Shared.")


def test_a_class_that_is_no_adapter_is_refused(folder):
    (folder / "loadable.py").write_text(SOURCE)
    assert "loadable.Plain is not an adapter class" in refused("loadable.Plain")
