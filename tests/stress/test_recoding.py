"""Functions that were imported as they are tell of their accesses, for as long as they are to."""

import importlib.util
import sys

import pytest
from stress.rewritten import recorded

from ftstress.places import functions_of
from ftstress.recoding import Recoded
from ftstress.rewriting import is_rewritten

SOURCE = """
class Box:
    def __init__(self):
        self.value = 0

    def fill(self, number):
        self.value = number


def counter():
    count = 0

    def add():
        nonlocal count
        count += 1
        return count

    return add
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    path = tmp_path / "boxes.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("boxes_of_a_test", path)
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, made)
    spec.loader.exec_module(made)
    return made


def test_imported_functions_tell_within_the_block_only(module):
    box = module.Box()
    before = module.Box.fill.__code__
    with Recoded(functions_of(module)):
        seen, _ = recorded(box.fill, 3)
    assert [(kind, field) for kind, _, field, _ in seen] == [("write", "value")]
    assert module.Box.fill.__code__ is before
    assert recorded(box.fill, 4)[0] == []
    assert box.value == 4


def test_a_closure_that_is_alive_and_shares_variables_is_left_alone(module):
    add = module.counter()
    with Recoded(functions_of(add, module)):
        assert not is_rewritten(add.__code__)
        assert is_rewritten(module.counter.__code__)
        later = module.counter()
        assert [kind for kind, *_ in recorded(later)[0]] == ["read", "write", "read"]
    assert add() == 1
    assert later() == 2


def test_code_that_is_not_in_its_file_any_more_is_left_alone(module, tmp_path):
    (tmp_path / "boxes.py").write_text("# moved\n" + SOURCE)
    with Recoded(functions_of(module)):
        assert not is_rewritten(module.Box.fill.__code__)
    (tmp_path / "boxes.py").unlink()
    with Recoded(functions_of(module)):
        assert not is_rewritten(module.Box.fill.__code__)
