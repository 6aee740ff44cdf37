"""`ftstress.importing` and its cache: what is rewritten, once, and what is left alone."""

import sys
import threading
from pathlib import Path

import pytest

from ftstress import cache, importing, rewriting, run_parallel
from tests.stress.rewritten import forget, recorded, write

MODULE = """
class Box:
    value = 0
box = Box()
def touch():
    box.value = box.value + 1
    return box.value
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    folder = tmp_path / "code"
    (folder / "seen_pkg").mkdir(parents=True)
    for name in ("seen_pkg/__init__", "seen_pkg/inner", "unseen_module"):
        write(folder, MODULE, name)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    forget("seen_pkg", "seen_pkg.inner", "unseen_module")


def touches(name):
    __import__(name)
    return len(recorded(sys.modules[name].touch)[0])


@pytest.mark.parametrize("pattern", ["seen_pkg", "seen_*"])
def test_modules_that_match_are_rewritten_and_others_not(modules, pattern):
    with importing.instrumented(pattern) as made:
        assert touches("seen_pkg.inner") == 3
        assert touches("unseen_module") == 0
        assert made.names == ["seen_pkg", "seen_pkg.inner"]


def test_a_folder_can_be_named(modules):
    with importing.instrumented(under=[modules / "seen_pkg"]):
        assert touches("seen_pkg.inner") == 3
        assert touches("unseen_module") == 0


def test_the_hook_is_gone_after_the_block(modules):
    before = list(sys.meta_path)
    with importing.instrumented("seen_pkg"):
        pass
    assert sys.meta_path == before
    assert touches("seen_pkg") == 0


def test_a_module_imported_before_is_named(modules):
    __import__("seen_pkg")
    with importing.instrumented("seen_pkg") as made:
        assert made.too_late == ["seen_pkg"]


def test_the_instrument_does_not_rewrite_itself():
    with importing.instrumented("*") as made:
        forget("ftlocks.never_there")
        with pytest.raises(ModuleNotFoundError):
            __import__("ftlocks.never_there")
        assert made.names == []


@pytest.mark.parametrize("patterns", [[], "", ["a", ""]])
def test_patterns_that_say_nothing_are_refused(patterns):
    with pytest.raises(ValueError, match="pattern"):
        importing.instrument(patterns)


def test_no_byte_code_of_the_import_system_is_touched(modules):
    with importing.instrumented("seen_pkg"):
        touches("seen_pkg.inner")
    assert not list(modules.rglob("*.pyc"))


def test_threads_that_import_at_once_get_one_complete_module(modules):
    with importing.instrumented("seen_pkg"):
        found = run_parallel(*[lambda: __import__("seen_pkg.inner").inner.box] * 4)
    assert len({id(box) for box in found}) == 1


def test_a_second_import_comes_from_the_cache(modules, monkeypatch):
    with importing.instrumented("seen_pkg"):
        __import__("seen_pkg")
        forget("seen_pkg")
        monkeypatch.setattr(rewriting, "rewrite", lambda *_: pytest.fail("rewritten again"))
        assert touches("seen_pkg") == 3


def test_another_source_is_rewritten_anew(modules):
    with importing.instrumented("seen_pkg"):
        assert touches("seen_pkg") == 3
        forget("seen_pkg")
        write(modules, MODULE.replace("value + 1", "value + 2"), "seen_pkg/__init__")
        assert touches("seen_pkg") == 3
        assert sys.modules["seen_pkg"].box.value == 2


@pytest.mark.parametrize("content", [b"", b"no code", b"\xe9\x05\x00\x00\x00"])
def test_a_broken_entry_is_replaced(content):
    source, name = MODULE.encode(), "broken.py"
    cache.rewritten(source, name)
    (entry,) = [path for path in cache.folder().rglob("*") if path.is_file()]
    entry.write_bytes(content)

    code = cache.rewritten(source, name)

    assert code.co_filename == name
    assert entry.read_bytes() != content


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))

    assert cache.rewritten(MODULE.encode(), "code.py").co_filename == "code.py"


def test_without_xdg_the_cache_is_in_the_home_folder(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == Path.home() / ".cache" / "ftstress" / "rewritten"


def test_threads_that_fill_the_cache_at_once_do_not_meet():
    source = MODULE.encode()
    results = run_parallel(*[lambda: cache.rewritten(source, "many.py").co_filename] * 4, rounds=3)

    assert set(results) == {"many.py"}
    entries = [path for path in cache.folder().rglob("*") if path.is_file()]
    assert len(entries) == 1
    assert threading.active_count() < 10
