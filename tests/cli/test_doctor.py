"""`ftbridge doctor`."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ftbridge.cli import checks, doctor
from ftbridge.cli.findings import Finding, ok, remark, wrong

Run = Callable[..., Result]

LISTEN = ("--listen", "127.0.0.1:0")


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which every check that depends on it passes."""
    for name in ("interpreter", "gil", "transport", "open_files", "threads", "cores"):
        monkeypatch.setattr(checks, name, lambda name=name: ok(name, "fine"))


@pytest.mark.usefixtures("sound")
def test_a_sound_machine_is_status_0(ftbridge: Run) -> None:
    result = ftbridge("doctor", "--no-wheels", *LISTEN)
    assert result.exit_code == 0, result.output
    assert "FAIL" not in result.output
    assert result.output.count("ok  ") == 7


@pytest.mark.usefixtures("sound")
def test_what_is_wrong_is_status_1_with_the_reason_and_the_way_out(
    ftbridge: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "gil", lambda: wrong("gil", "it is on", "switch it off"))
    result = ftbridge("doctor", "--no-wheels", *LISTEN)
    assert result.exit_code == 1
    assert "it is on" in result.output
    assert "-> switch it off" in result.output
    assert "1 of 7 checks failed" in result.output
    assert "\x1b" not in result.output


@pytest.mark.usefixtures("sound")
def test_a_note_is_no_failure(ftbridge: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "cores", lambda: remark("cores", "only one"))
    assert ftbridge("doctor", "--no-wheels", *LISTEN).exit_code == 0


@pytest.mark.usefixtures("sound")
def test_json_has_every_finding(ftbridge: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "gil", lambda: wrong("gil", "it is on", "switch it off"))
    result = ftbridge("doctor", "--json", "--no-wheels", *LISTEN)
    assert result.exit_code == 1
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["ok"] is False
    assert {
        "check": "gil",
        "verdict": "fail",
        "text": "it is on",
        "way_out": "switch it off",
    } in document["findings"]


@pytest.mark.usefixtures("sound")
def test_a_taken_port_fails(ftbridge: Run) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = ftbridge("doctor", "--no-wheels", "--listen", address)
    assert result.exit_code == 1
    assert f"{address} is taken" in result.output


def adapter_finding(spec: str) -> Finding:
    return doctor._adapter(spec)


def test_an_adapter_is_loaded_in_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "doctored.py").write_text(
        "from ftbridge import BaseAdapter, ThreadSafeAdapter\n"
        "class Safe(ThreadSafeAdapter):\n    __thread_safe__ = True\n"
        "class Undeclared(BaseAdapter):\n    pass\n"
    )
    (tmp_path / "dying.py").write_text("import os\nos.abort()\n")
    assert adapter_finding("doctored:Safe").verdict.value == "ok"
    undeclared = adapter_finding("doctored:Undeclared")
    assert undeclared.verdict.value == "fail"
    assert "--serialize" in undeclared.way_out
    assert "no_such_module" in adapter_finding("no_such_module:X").text
    assert "crashes the interpreter (SIGABRT)" in adapter_finding("dying:X").text


def test_the_whole_report_on_this_machine(ftbridge: Run) -> None:
    result = ftbridge("doctor", "--json", *LISTEN)
    checked = {finding["check"] for finding in json.loads(result.stdout)["findings"]}
    assert checked >= {
        "interpreter",
        "gil",
        "wheels",
        "transport",
        "port",
        "open files",
        "threads",
        "cores",
    }
