"""The public names, which are imported when they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ftstress


def test_every_name_is_there_and_comes_from_where_type_checkers_see_it():
    tree = ast.parse(Path(ftstress.__file__).read_text("utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("ft")
        for alias in node.names
    }
    assert seen == ftstress._HOME
    assert sorted(seen) == sorted(ftstress.__all__)
    for name, module in seen.items():
        assert getattr(ftstress, name) is getattr(sys.modules[module], name)
    assert set(ftstress.__all__) <= set(dir(ftstress))


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(AttributeError, match="'ftstress' has no attribute 'nothing'"):
        _ = ftstress.nothing


def test_importing_it_imports_none_of_it():
    script = "import sys, ftstress; print([n for n in sys.modules if n.startswith('ftstress.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
