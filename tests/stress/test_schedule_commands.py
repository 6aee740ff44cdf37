"""The command line, in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ftstress.__main__ import main
from ftstress.schedule_commands import find

CLASSICS = Path(__file__).with_name("classics.py")


def ftstress(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "ftstress", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_a_failure_is_explored_saved_replayed_and_explained(tmp_path):
    target = f"{CLASSICS}:abba"
    found = ftstress("explore", target, "--output", "abba.json", folder=tmp_path)
    assert found.returncode == 1, found.stderr
    assert "deadlock: no thread can go on" in found.stdout
    assert "1/(n*k^(d-1)) = 1/(3*" in found.stdout
    assert "again: python -m ftstress replay abba.json" in found.stdout
    assert json.loads((tmp_path / "abba.json").read_text())["target"] == target

    again = ftstress("replay", "abba.json", "--times", 20, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "20 of 20 runs failed as saved: deadlock" in again.stdout

    told = ftstress("explain", "abba.json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "comes to classics.py _move+1" in told.stdout
    assert "waits for the Lock of classics.py:" in told.stdout


def test_a_test_that_passes_says_what_that_does_not_mean(capsys):
    status = main(["explore", f"{CLASSICS}:abba_mended", "--strategy", "dfs", "--preemptions", "1"])
    assert status == 0
    out = capsys.readouterr().out
    assert "all schedules within the bound were run" in out
    assert "It says nothing about schedules that were not run" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explore", "no_colon"], "write FILE.py:FUNCTION or MODULE:FUNCTION"),
        (["explore", "absent.py:test"], "there is no file 'absent.py'"),
        (["explore", "absent_module:test"], "No module named 'absent_module'"),
        (["explore", "math:pi"], "'math:pi' is no function"),
        (["explore", "math:nothing"], "no attribute 'nothing'"),
        (
            ["explore", "math:cos", "--strategy", "dfs", "--depth", "2"],
            "--depth is for --strategy pct",
        ),
        (["replay", "absent.json"], "absent.json"),
        (["explain", __file__], "not JSON"),
    ],
)
def test_wrong_usage_is_told_with_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_target_may_be_a_method():
    assert find("collections:Counter.total").__qualname__ == "Counter.total"


def test_an_exploration_writes_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    target = f"{CLASSICS}:lost_update"
    arguments = ["explore", target, "--output", "lost.json", "--report", "r.json"]
    assert main([*arguments, "--report", "r.html"]) == 1
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    finding, race = report["findings"]
    assert race["kind"] == "data-race"
    assert finding["replay"] == "python -m ftstress replay lost.json"
    assert finding["table"]["ending"].startswith("=> AssertionError")
    assert "AssertionError" in (tmp_path / "r.html").read_text("utf-8")
    assert main(["explore", target, "--report", "r.pdf"]) == 2
    assert "does not tell the format" in capsys.readouterr().err


def test_an_exploration_ends_when_its_time_is_over(capsys):
    arguments = ["explore", f"{CLASSICS}:abba_mended", "--iterations", "1000000"]
    assert main([*arguments, "--time", "0.01"]) == 0
    out = capsys.readouterr().out
    assert "no failure" in out
    assert int(out.split("\n")[1].split()[0]) < 1_000_000
    assert main([*arguments, "--time", "0"]) == 2
