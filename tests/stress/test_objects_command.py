"""``ftstress objects``."""

import json
import sys
from pathlib import Path

import pytest

from ftstress import objects
from ftstress.__main__ import main

TESTS = Path(__file__).with_name("object_tests.py")
GIL = sys._is_gil_enabled()


@pytest.fixture(autouse=True)
def shrinks_quickly(monkeypatch):
    monkeypatch.setattr(objects, "_SHRINKING_RUNS", 100)


def run(*arguments):
    return main(["objects", *map(str, arguments)])


def test_a_failing_history_is_drawn_and_explained_with_status_1(tmp_path, capsys):
    picture = tmp_path / "history.svg"
    assert run(f"{TESTS}:Off", "--count", 500, "--svg", picture) == 1
    out = capsys.readouterr().out
    assert "NOT LINEARIZABLE" in out
    assert "nothing fits next: " in out
    assert "of the 9 calls of the first history that failed" in out
    assert picture.read_text().startswith('<figure class="history"><svg')


def test_a_pass_is_one_only_without_the_gil(capsys):
    assert run(f"{TESTS}:Atomic", "--count", 100) == (2 if GIL else 0)
    out = capsys.readouterr().out
    assert ("NO PASS: the GIL was on" if GIL else "passed: every history") in out
    assert "A pass means that each of these histories" in out


def test_json_has_the_history(capsys):
    assert run(f"{TESTS}:Off", "--count", 500, "--json") == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["status"] == 1
    assert found["failure"]["history"][0]["name"] == "add"
    assert "thread 0" in found["failure"]["drawing"] or found["failure"]["drawing"]


def test_explore_saves_a_history_that_replays(tmp_path, capsys):
    saved = tmp_path / "racy.json"
    assert run(f"{TESTS}:Racy", "--explore", 100, "--output", saved) == 1
    assert f"again: python -m ftstress objects --replay {saved}" in capsys.readouterr().out
    assert run("--replay", saved, "--times", 5) == 0
    assert "5 of 5 runs failed as saved" in capsys.readouterr().out
    # With the object mended, the saved schedule no longer fails.
    assert run(f"{TESTS}:Atomic", "--replay", saved) in (1, 2)


def test_explore_without_a_find_is_status_0(capsys):
    assert (
        run(f"{TESTS}:Atomic", "--explore", 10, "--scripts", 2, "--modules", "ftlocks.atomic") == 0
    )
    assert "every history is linearizable" in capsys.readouterr().out
    assert run(f"{TESTS}:Atomic", "--explore", 5, "--scripts", 1, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["runs"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a TARGET"),
        (["absent.py"], "there is no file"),
        ([f"{TESTS}:Number"], "is no ObjectTest"),
        ([f"{TESTS}:Racy", "--time", "-1"], "time must be above 0 s"),
        (["--replay", "absent.json"], "absent.json"),
        (["--replay", str(TESTS)], "no saved history"),
        ([str(TESTS), "--explore", "1", "--output", "x"], "name one"),
    ],
)
def test_wrong_usage_is_told_with_status_2(arguments, message, capsys):
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err
