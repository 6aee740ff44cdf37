"""Races and failing schedules as findings, with nothing lost."""

import pytest

from ftstress import explore
from ftstress.conversions import report_of_exploration, report_of_outcome
from ftstress.detection import NO_PROOF, run_file
from stress import classics
from tests.stress.rewritten import write

PROGRAM = """
import threading
class Box:
    n = 0
box, lock = Box(), threading.Lock()
def add():
    box.n += 1
def locked():
    with lock:
        box.n += 1
threads = [threading.Thread(target=f, name=f.__name__) for f in (add, locked)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.fixture
def outcome(tmp_path):
    path = write(tmp_path, PROGRAM, "program")
    return path, run_file(path)


def test_a_race_keeps_both_sides(outcome):
    path, found = outcome
    report = report_of_outcome("program.py", found, 0.1, NO_PROOF)

    (race,) = {finding.fingerprint: finding for finding in report.findings}.values()
    assert race.kind == "data-race"
    assert race.subject == "attribute 'n' of a Box"
    assert {side.thread for side in race.sides} == {"add", "locked"}
    lines = {side.thread: side.location for side in race.sides}
    assert (lines["add"].file, lines["add"].line, lines["add"].code) == (str(path), 6, "box.n += 1")
    held = {side.thread: side.locks for side in race.sides}
    assert held["add"] == ()
    assert "Lock made at" in held["locked"][0]
    assert all(side.started_by == "MainThread" for side in race.sides)
    assert all(side.started_at.line == 12 for side in race.sides)
    assert "Nothing orders" in race.explanation
    assert race.mend
    assert race.text.startswith("RACE on")
    assert report.status == 1
    assert report.explored[0].operations == found.accesses
    assert report.explored[0].modules == ("__main__",)


def test_a_benign_race_is_kept_with_its_reason(tmp_path):
    text = PROGRAM.replace("box.n += 1\ndef", "box.n += 1  # ftstress: benign(estimate)\ndef")
    found = run_file(write(tmp_path, text, "program"))
    report = report_of_outcome("program.py", found, 0.1, NO_PROOF)

    assert [finding.benign for finding in report.benign] == ["estimate"]
    assert report.findings == ()


def test_a_failing_schedule_has_its_table_and_its_file():
    found = explore(classics.lost_update, iterations=200, raises=False, seed=3)
    report = report_of_exploration(found, "python -m ftstress replay x.json")

    failure, race = report.findings
    assert race.kind == "data-race"
    assert failure.kind == "schedule-failure"
    assert "AssertionError in main" in failure.message
    assert failure.table.threads[0] == "main lost_update"
    assert failure.table.ending.startswith("=> AssertionError")
    (side,) = failure.sides  # one switch is enough
    assert side.location.file == classics.__file__
    assert side.location.code == "self.value += 1"
    assert '"ftstress schedule"' in failure.schedule
    assert failure.replay == "python -m ftstress replay x.json"
    (explored,) = report.explored
    assert (explored.runs, explored.seeds) == (found.runs, (3,))
    assert "PCT" in explored.how


def test_a_deadlock_is_told_as_one():
    found = explore(classics.abba, iterations=200, raises=False, seed=3)
    (deadlock,) = report_of_exploration(found).findings
    assert deadlock.kind == "deadlock"
    waiting = [side.action for side in deadlock.sides if "waits for the Lock of" in side.action]
    assert len(waiting) >= 2


def test_an_exploration_without_failure_passes_with_its_limits():
    report = report_of_exploration(explore(classics.abba_mended, iterations=3))
    assert report.status == 0
    assert "It says nothing about schedules that were not run" in report.not_proved[0]
