"""`tools/bench stress`: what it makes of the tools' answers."""

import sys
from pathlib import Path

import pytest

from tools.bench_lib import stress_bench, stress_worker
from tools.bench_lib.errors import BenchError
from tools.bench_lib.stress_result import SlowdownRound, StressResult, Verdict

ROOT = Path(__file__).parents[2]
SAMPLE = """
import threading

lock = threading.Lock()
total = 0

def add():
    global total
    total += 1

def add_locked():
    with lock:
        add()

def both(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

def racy():
    global total
    total = 0
    both(add)
    assert total == 2

def mended():
    global total
    total = 0
    both(add_locked)
    assert total == 2
"""


def verdict(tool, sample, form, **answer):
    return Verdict.of(tool, sample, form, {"seconds": 1.0, **answer})


def result(*verdicts, missing=()):
    slow = SlowdownRound.of({"seconds": 1.0, "kib": 10.0}, {"seconds": 6.0, "kib": 20.0})
    return StressResult(
        tools=("ftstress run", "ftstress explore", "other"),
        missing=missing,
        samples=3,
        seconds=1.0,
        verdicts=verdicts,
        slowdown=(slow,),
        parallel=True,
    )


def test_found_missed_and_false_alarms_are_counted():
    section = result(
        verdict("ftstress run", "a", "racy", found=True),
        verdict("ftstress explore", "b", "racy", found=True),
        verdict("other", "a", "racy", found=True),
        verdict("other", "c", "racy", hang=True),
        verdict("other", "b", "mended", found=True),
        verdict("other", "c", "mended", error="no answer"),
    ).section("again")

    (table,) = section.tables
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["ftstress, either"] == ("2 of 3", "0", "1.00", "0", "0")
    assert rows["other"] == ("2 of 3", "1", "1.00", "1", "1")
    assert any("not by ftstress: c." in note for note in section.notes)
    assert [aim.value.median for aim in section.aims] == [6.0, 2.0, 1.0]
    assert [aim.verdict for aim in section.aims] == ["reached", "reached", "missed"]


def test_a_tool_that_cannot_be_fetched_is_named():
    section = result(missing=("racecheck",)).section("again")

    assert any("left out: racecheck" in note for note in section.notes)


@pytest.mark.parametrize("tool", ["ftstress run", "ftstress explore"])
def test_our_own_find_the_racy_form_and_say_nothing_of_the_mended_one(tmp_path, tool):
    sample = tmp_path / "sample.py"
    sample.write_text(SAMPLE)

    for form, found in (("racy", True), ("mended", False)):
        answer = stress_bench._answer(
            Path(sys.executable), [tool, str(sample), form, "0.3"], {"PATH": ""}, 60.0
        )
        assert answer.get("found") is found, answer


def test_a_process_that_hangs_or_says_nothing_is_no_verdict(tmp_path):
    assert stress_bench._answer(Path(sys.executable), ["nothing"], {}, 60.0)["error"]
    stuck = tmp_path / "stuck.py"
    stuck.write_text("import threading\ndef racy():\n    threading.Event().wait()\n")
    words = ["ftstress run", str(stuck), "racy", "0.1"]
    assert stress_bench._answer(Path(sys.executable), words, {}, 4.0) == {"hang": True}


def test_the_slowdown_needs_both_sides():
    with pytest.raises(BenchError, match="could not be measured"):
        SlowdownRound.of({"seconds": 1.0, "kib": 1.0}, {"error": "no"})


def test_every_requirement_has_a_worker():
    assert set(stress_bench.REQUIREMENTS) < set(stress_worker.TOOLS)
