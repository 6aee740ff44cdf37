"""`ftstress suites`."""

import json
import sys

from ftstress.__main__ import main

CLEAN = 2 if sys._is_gil_enabled() else 0


def test_a_suite_is_run_and_told(capsys):
    assert main(["suites", "event", "--time", "0.3", "--iterations", "20"]) == CLEAN

    told = capsys.readouterr().out
    assert "event: 0 findings" in told
    assert "A pass means" in told


def test_as_json(capsys):
    status = main(["suites", "event", "--way", "schedules", "--iterations", "5", "--json"])

    assert status == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def test_names_and_wrong_names(capsys):
    assert main(["suites", "--list"]) == 0
    assert "sessions" in capsys.readouterr().out.split()
    assert main(["suites", "nothing"]) == 2
    assert "there is no suite 'nothing'" in capsys.readouterr().err
