"""`ftstress measure` and `compare`, in processes of both builds."""

import json
import sys
from pathlib import Path

import pytest

from ftstress import compare_command, twins
from ftstress.__main__ import main
from ftstress.machine import Control

FILE = str(Path(__file__).with_name("counting_work.py"))
GIL = sys._is_gil_enabled()
needs_both = pytest.mark.skipif(
    GIL or twins.find(Path(__file__).parent) is None, reason="compares both builds"
)


def test_measure_prints_every_figure(capsys):
    assert main(["measure", f"{FILE}:Locked", "--seconds", "0.01", "--threads", "1,2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gil"] is GIL
    assert found["gil_modules"] == []
    kinds = [(each["threads"], each["is_shared"]) for each in found["workloads"]["Locked"]]
    assert kinds == [(1, False), (2, True), (2, False)]


def test_measure_sees_locks_of_threading():
    found = twins.here(
        ["measure", f"{FILE}:Locked", "--seconds", "0.3", "--threads", "2", "--locks"], 50
    )
    waits = found["workloads"]["Locked"]
    assert 0 <= waits["share"] <= 1
    assert all("counting_work.py" in label for label, _ in waits["locks"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["measure", f"{FILE}:Failing"], "no such thing"),
        (["measure", "absent.py"], "there is no file 'absent.py'"),
    ],
)
def test_wrong_usage_is_2(arguments, message, capsys):
    if "Failing" in arguments[1]:
        with pytest.raises(LookupError, match=message):
            main(arguments)
    else:
        assert main(arguments) == 2
        assert message in capsys.readouterr().err


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """The report of a comparison on a machine whose control says what the test wants."""

    def compare(scalings, *arguments):
        seen = iter([Control((1.9, 1.9, 1.9)), Control(scalings)])
        monkeypatch.setattr(compare_command, "control", lambda: next(seen))
        path = tmp_path / "report.json"
        options = ["--seconds", "0.01", "--rounds", "2", "--time", "0.05", "--output", str(path)]
        status = main(["compare", *arguments, *options])
        return status, json.loads(path.read_text("utf-8"))

    return compare


@needs_both
def test_both_builds_side_by_side(compared, capsys):
    status, report = compared((1.9, 1.9, 1.9), f"{FILE}:Locked")

    assert status == 0, report["doubts"]
    labels = [each["label"] for each in report["measurements"]]
    assert labels == [
        "free-threaded, 1 thread",
        "with GIL, 1 thread",
        "free-threaded, 2 threads, one object",
        "with GIL, 2 threads, one object",
        "free-threaded, 2 threads, an object each",
        "with GIL, 2 threads, an object each",
    ]
    assert all(each["low"] <= each["median"] <= each["high"] for each in report["measurements"])
    notes = "\n".join(report["notes"])
    assert notes.startswith("before, control: two processes do 1.90 times")
    assert "Locked, free-threaded: 2 threads do" in notes
    assert "Locked, with GIL: 2 threads do" in notes
    assert "2 threads' work" in notes
    assert "free-threaded, 2 threads, one object" in capsys.readouterr().err


@needs_both
def test_a_machine_without_a_second_core_gives_no_figure_of_scaling(compared):
    status, report = compared((1.1, 1.2, 1.0), f"{FILE}:Locked")

    assert status == 2
    assert report["doubts"] == ["this machine had no second core to give"]
    notes = "\n".join(report["notes"])
    assert "no figure of scaling" in notes
    assert "2 threads" not in notes


@needs_both
def test_outcomes_have_both_columns(compared):
    status, report = compared((1.9, 1.9, 1.9), f"{FILE}:Alone")

    assert status == 0
    assert report["measurements"] == []
    (table,) = report["outcomes"]
    (row,) = table["rows"]
    assert row["outcome"] == "1, 1"
    assert row["count"] > 0
    assert row["twin_count"] > 0


@pytest.mark.skipif(GIL, reason="runs free-threaded")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([__file__], "neither a Workload nor a litmus test"),
        ([FILE, "--rounds", "0"], "--rounds must be at least 1"),
        ([FILE, "--gil-python", sys.executable], "is no Python with a GIL"),
        ([FILE, "--output", "x.pdf"], "does not tell the format"),
    ],
)
def test_what_cannot_be_compared_is_told(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(compare_command, "control", lambda: Control((1.9,)))
    if "--gil-python" in arguments:
        arguments = [f"{FILE}:Locked", *arguments[1:], "--seconds", "0.01", "--rounds", "1"]
    assert main(["compare", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(not GIL, reason="runs with the GIL")
def test_with_the_gil_there_is_nothing_to_compare(capsys):
    assert main(["compare", FILE]) == 2
    assert "run `compare` with a free-threaded interpreter" in capsys.readouterr().err


def test_the_module_that_switched_the_gil_on_is_a_doubt():
    doubts = []
    for _ in range(2):
        compare_command._doubt_gil({"gil": True, "gil_modules": ["grpc._cython"]}, doubts)
    assert doubts == [
        "the GIL was switched on by grpc._cython: both builds ran one thread at a time"
    ]
