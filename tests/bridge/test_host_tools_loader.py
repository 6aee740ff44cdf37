from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ftbridge.bridge.host_tools_loader import HostToolsLoadError, load_host_tools

SOURCE = """
from ftbridge import HostTools, host_tool


@host_tool
def store(value: int) -> int:
    return value


@host_tool(name="check")
def check_schema(data: dict) -> bool:
    return bool(data)


def hidden() -> None: ...


TABLE = {"hidden": hidden, "short": lambda: 1}
READY = HostTools()
READY.register(hidden)
EMPTY = HostTools()
NUMBER = 3
BAD = {"_private": hidden}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "host_functions.py").write_text(SOURCE)
    (tmp_path / "host_broken.py").write_text("raise RuntimeError('at import')\n")
    (tmp_path / "host_empty.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("host_functions", "host_broken", "host_empty"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("host_functions", ["store", "check"]),
        ("host_functions:TABLE", ["hidden", "short"]),
        ("host_functions:READY", ["hidden"]),
        ("host_functions:EMPTY", []),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_can_be_named(spec, names):
    assert list(load_host_tools(spec).tools) == names


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "names no host tools"),
        ("a:b:c", "names no host tools"),
        (":NAME", "names no host tools"),
        ("no_such_module_here", "ModuleNotFoundError"),
        ("host_broken", "RuntimeError: at import"),
        ("host_functions:OTHER", "has no 'OTHER'"),
        ("host_functions:NUMBER", "is a int: a HostTools or a dict"),
        ("host_functions:BAD", "invalid_tool_name"),
        ("host_empty", "exposes nothing: put @host_tool on"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot(spec, says):
    with pytest.raises(HostToolsLoadError) as raised:
        load_host_tools(spec)
    assert says in str(raised.value)
