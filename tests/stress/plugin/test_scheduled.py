"""Tests under explored schedules: failures are shown, saved and run again."""

import json
import re

from stress.plugin.runs import run

pytest_plugins = "pytester"

SOURCE = """
import threading
import pytest
from ftstress import BoundedDFS

class Account:
    def __init__(self):
        self.balance = 100
        self.lock = threading.Lock()

    def withdraw(self):
        if self.balance >= 80:
            with self.lock:
                self.balance -= 80

@pytest.fixture
def account():
    account = Account()
    yield account
    account.balance = None

def both(account):
    threads = [threading.Thread(target=account.withdraw) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

@pytest.mark.ftstress(schedules=20)
def test_marked(account):
    both(account)
    assert account.balance >= 0

def test_fixture(explore_schedules):
    def overdraw():
        account = Account()
        both(account)
        assert account.balance >= 0

    explore_schedules(overdraw, iterations=60, strategy=BoundedDFS(preemptions=1))
"""
LOCKED = SOURCE.replace(
    "if self.balance >= 80:\n            with self.lock:",
    "with self.lock:\n            if self.balance >= 80:",
)


def test_a_failing_schedule_is_shown_saved_run_again_and_mended(pytester):
    result = run(pytester, SOURCE)
    result.assert_outcomes(failed=2)
    # In CI, pytest's summary repeats all of it.
    text = result.stdout.str().partition("short test summary info")[0]
    assert text.count("=> AssertionError in main") == 2
    assert "self.balance -= 80" in text
    commands = re.findall(r"again: python -m pytest (\S+) --ftstress-replay (\S+)", text)
    assert sorted(commands) == [
        ("test_it.py::test_fixture", ".ftstress/test_it.py-test_fixture.json"),
        ("test_it.py::test_marked", ".ftstress/test_it.py-test_marked.json"),
    ]
    for nodeid, path in commands:
        assert json.loads((pytester.path / path).read_text("utf-8"))["target"] == nodeid
    nodeid, path = sorted(commands)[1]
    again = run(pytester, SOURCE, nodeid, "--ftstress-replay", path)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["AssertionError in main:*(as saved)"])

    # The place where it switches has changed:
    other = run(pytester, LOCKED, nodeid, "--ftstress-replay", path)
    other.assert_outcomes(failed=1)
    other.stdout.fnmatch_lines(["*the schedule does not fit test_it.py::test_marked any more*"])

    mended = run(pytester, LOCKED, "--ftstress-seed", "9")
    mended.assert_outcomes(passed=2)
    mended.stdout.fnmatch_lines(
        [
            "*test_marked: 20 schedules, * distinct, PCT, depth 3, seed 9*",
            "*test_fixture: * schedules, * distinct, *all within the bounds",
        ]
    )
