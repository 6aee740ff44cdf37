"""Tests of ``tools.setup_lib.layout``."""

from pathlib import Path

import pytest

from tools.setup_lib.errors import SetupError
from tools.setup_lib.layout import clean_environment, processors, read_layout

ROOT = Path("/some/checkout")


def test_the_cache_follows_the_base_directory_specification() -> None:
    assert read_layout(ROOT, {"HOME": "/home/u"}).cache == Path("/home/u/.cache/ftbridge")
    named = {"HOME": "/home/u", "XDG_CACHE_HOME": "/big/cache"}
    assert read_layout(ROOT, named).cache == Path("/big/cache/ftbridge")
    relative = {"HOME": "/home/u", "XDG_CACHE_HOME": "cache"}
    assert read_layout(ROOT, relative).cache == Path("/home/u/.cache/ftbridge")


@pytest.mark.parametrize(("value", "wished"), [("", False), ("0", False), ("1", True)])
def test_pgo(value: str, wished: bool) -> None:
    assert read_layout(ROOT, {"HOME": "/h", "FTBRIDGE_PGO": value}).pgo is wished


def test_a_malformed_setting_is_named() -> None:
    with pytest.raises(SetupError, match="FTBRIDGE_PGO='yes'"):
        read_layout(ROOT, {"HOME": "/h", "FTBRIDGE_PGO": "yes"})


def test_what_would_change_a_childs_result_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    unwanted = ("PYTHON_GIL", "PYTHONPATH", "PIP_TARGET", "CFLAGS", "MAKEFLAGS", "VIRTUAL_ENV")
    for name in unwanted:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    environment = clean_environment(EXTRA="x")
    assert not environment.keys() & set(unwanted)
    assert environment["HTTPS_PROXY"] == "http://proxy.example"
    assert environment["EXTRA"] == "x"


def test_processors() -> None:
    assert processors() >= 1
