"""The report on a terminal: what it says, and what comes last."""

from stress.reports.examples import clean, full, race

from ftstress.reports import render
from ftstress.reports.text import finding_text, share


def test_the_end_says_what_was_found_and_what_a_pass_does_not_mean():
    text = render(full(), "text")
    *_, summary, limits = text.split("\n\n")
    assert "3 findings: 1 data race, 1 deadlock, 1 forbidden outcome" in summary
    assert "app:test: 200 runs; 150 distinct; 400/s; 3 threads; seeds 1, 2; 0.5 s" in summary
    assert "NO PASS: the GIL was on" in summary
    assert limits.startswith("What a pass does not mean: It says nothing about code that did not")
    assert "benign: hits at" in text
    assert "an estimate" in text


def test_a_pass_says_it_too():
    text = render(clean(), "text")
    assert "app: nothing found" in text
    assert "NO PASS" not in text
    assert "What a pass does not mean" in text


def test_a_finding_has_both_sides():
    text = finding_text(race())
    assert "Data race: attribute 'count' of a Box (3 times)" in text
    assert "examples.py:10 in places\n    >>" in text
    assert "locks held: Lock made at app.py:3" in text
    assert "thread started by 'main' at" in text
    assert "Usual remedy: Hold the lock on both sides." in text


def test_the_replay_command_is_told_once():
    told = finding_text(race(replay="python -m ftstress replay x.json"))
    assert told.count("again: python -m ftstress replay x.json") == 1
    own = race(
        replay="python -m ftstress replay x.json", text="…\nagain: python -m ftstress replay x.json"
    )
    assert finding_text(own).count("replay x.json") == 1


def test_outcomes_are_a_table_with_the_twin_beside():
    text = render(full(), "text")
    (row,) = [line for line in text.splitlines() if "neither saw the other" in line]
    assert row.split()[:6] == ["0,", "0", "1,000", "1.00", "%", "0"]


def test_what_happened_is_never_zero_percent():
    assert share(1, 1_000_000) == "<0.01 %"
    assert share(0, 10) == "-"
    assert share(1, 8) == "12.50 %"
