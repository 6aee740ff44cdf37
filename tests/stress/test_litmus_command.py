"""``ftstress litmus``, with the twin's column, in processes where that matters."""

import json
import os
import sys
from pathlib import Path

import pytest
from stress.litmus_tests import Kept, Lost

from ftstress import litmus, targets, twins
from ftstress.__main__ import main
from ftstress.litmus_report import data, from_data, text

TESTS = Path(__file__).with_name("litmus_tests.py")
GIL = sys._is_gil_enabled()
TWIN = twins.find(Path(__file__))


def run(*arguments):
    return main(["litmus", *map(str, arguments)])


def test_a_forbidden_outcome_is_status_1_and_stands_in_the_table(capsys):
    assert run(f"{TESTS}:Lost", "--count", 40, "--no-twin") == 1
    out = capsys.readouterr().out
    assert "Lost: Both read before either writes." in out
    assert "FORBIDDEN   one was lost" in out
    assert "100.00 %" in out
    assert "A pass means that no forbidden outcome came up" in out


def test_a_run_with_the_gil_on_is_no_pass(capsys):
    status = run(f"{TESTS}:Kept", "--count", 40, "--no-twin")
    out = capsys.readouterr().out
    assert status == (2 if GIL else 0)
    assert ("NO PASS: the GIL was on" if GIL else "passed: no forbidden outcome") in out


@pytest.mark.skipif(GIL or TWIN is None, reason="needs the GIL twin beside this build")
def test_the_twins_column_stands_beside_it(capsys):
    assert run(f"{TESTS}:Kept", "--count", 30, "--gil-python", TWIN, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["twin_trials"] == 30
    assert found["rows"][0]["twin_count"] == 30
    assert "without GIL" not in found["twin"]


@pytest.mark.skipif(GIL, reason="the twin of this build has no GIL column to miss")
def test_without_a_twin_the_report_says_so_and_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(twins, "find", lambda near: None)
    assert run(f"{TESTS}:Kept", "--count", 10) == 0
    assert (
        "GIL twin: column missing; no interpreter with a GIL was found" in capsys.readouterr().out
    )


@pytest.mark.skipif(GIL, reason="on a GIL build there is no twin to ask for")
def test_a_gil_python_that_is_none_is_refused(capsys):
    status = run(f"{TESTS}:Kept", "--count", 10, "--gil-python", sys.executable)
    assert status == 2
    assert "is no Python with a GIL" in capsys.readouterr().err
    assert run(f"{TESTS}:Kept", "--count", 10, "--gil-python", "/nowhere/python") == 2


def test_explore_saves_a_schedule_that_replays(tmp_path, capsys):
    saved = tmp_path / "lost.json"
    assert run(f"{TESTS}:Counted", "--explore", 300, "--output", saved) == 1
    assert "ForbiddenOutcomeError in main: 1: one was lost" in capsys.readouterr().out
    assert main(["replay", str(saved), "--times", "3"]) == 0
    assert "3 of 3 runs failed as saved" in capsys.readouterr().out


def test_explore_without_a_find_is_status_0_and_is_json_too(capsys):
    assert run(f"{TESTS}:Kept", "--explore", 20, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["failure"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.py"], "there is no file 'absent.py'"),
        (["no_such_module"], "No module named"),
        ([f"{TESTS}:Absent"], "has no 'Absent'; it has Lost, Kept"),
        ([f"{TESTS}:Barrier"], "is no Litmus"),
        (["json"], "json defines no Litmus"),
        ([f"{TESTS}:Lost", "--time", "0"], "time must be above 0 s"),
        ([f"{TESTS}:Lost", "--count", "-1"], "count must be at least 1"),
        ([str(TESTS), "--explore", "5", "--output", "x.json"], "name one"),
    ],
)
def test_wrong_usage_is_told_with_status_2(arguments, message, capsys):
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_the_data_make_the_result_again():
    result = litmus.run(Lost, seconds=None, count=5).beside(litmus.run(Kept, seconds=None, count=5))
    assert from_data(json.loads(json.dumps(data(result)))) == result
    assert "GIL twin" in text(result)


def test_a_target_without_a_class_is_all_of_the_modules_own():
    found = targets.classes(str(TESTS), litmus.Litmus)
    assert [each.__name__ for each in found] == ["Lost", "Kept", "Counted", "Answers", "Stuck"]


def test_the_twin_is_looked_for_upwards(tmp_path, monkeypatch):
    python = tmp_path / ".venv-gil" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir("/")
    assert twins.find(inner) == python
    assert twins.find(Path("/nowhere")) is None


@pytest.mark.skipif(os.name != "posix", reason="a script stands for the interpreter")
def test_a_twin_that_fails_says_what_it_said(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nif [ "$1" = -c ]; then echo True True; else echo bad news >&2; fi\n'
    )
    python.chmod(0o755)
    with pytest.raises(twins.TwinError, match="bad news"):
        twins.call(python, ["litmus"], 30)
