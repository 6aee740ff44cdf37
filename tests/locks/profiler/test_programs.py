"""Loading a program without running it."""

import sys

import pytest

from ftlocks.profiler.programs import load_program


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/where/the/command/is", *sys.path[1:]])


def test_a_script_is_main_in_its_own_folder_and_has_not_run(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("ran = __name__, __file__, __spec__\n")
    code, module = load_program(str(script), module=False)
    assert sys.path[0] == str(tmp_path)
    assert not hasattr(module, "ran")
    exec(code, module.__dict__)
    assert module.ran == ("__main__", str(script), None)


def test_a_module_has_its_package(tmp_path, monkeypatch):
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner.py").write_text("ran = __name__, __package__\n")
    monkeypatch.syspath_prepend(tmp_path)
    code, module = load_program("pack.inner", module=True)
    exec(code, module.__dict__)
    assert module.ran == ("__main__", "pack")


def test_mistakes_are_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_program(str(tmp_path / "missing.py"), module=False)
    script = tmp_path / "script.py"
    script.write_text("def f(:\n")
    with pytest.raises(SyntaxError) as caught:
        load_program(str(script), module=False)
    assert caught.value.filename == str(script)
    with pytest.raises(ImportError, match="no_such_module"):
        load_program("no_such_module", module=True)
