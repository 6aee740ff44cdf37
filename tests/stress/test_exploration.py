"""Finding classic bugs, replaying them on both builds, and silence where there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stress.classics import CLASSICS

import ftstress
from ftstress import ScheduleFailure, explore, replay
from stress import classics

ROOT = Path(__file__).resolve().parents[2]
# Schedules within which each bug is found, and in which its mended twin is silent.
BUDGET = 30  # of PCT with depth 3 and seed 0
LARGER_BUDGETS = {"torn_read": 60, "buffer_if": 80, "buffer_if_mended": 80, "philosophers": 100}
STEPS = 1_000
REPLAYS = 50


def budget(test):
    name = test.__name__
    return LARGER_BUDGETS[name] if name in LARGER_BUDGETS else BUDGET


_saved: dict[str, str] = {}


def schedule_of(bug) -> str:
    """The text of a failing schedule, found once for all tests of this file."""
    if bug.__name__ not in _saved:
        found = explore(bug, iterations=budget(bug), max_steps=STEPS, raises=False)
        assert found.failure is not None, found
        _saved[bug.__name__] = found.failure.schedule.to_json()
    return _saved[bug.__name__]


@pytest.mark.parametrize(("bug", "kind"), [(bug, kind) for bug, _, kind in CLASSICS])
def test_a_classic_bug_is_found_and_replayed_every_time(bug, kind):
    text = schedule_of(bug)
    schedule = ftstress.Schedule.from_json(text)
    assert schedule.failure.type == kind
    assert len(schedule.decisions) <= 2
    assert replay(text, bug, times=REPLAYS).reproduced == REPLAYS


@pytest.mark.parametrize("twin", [twin for _, twin, _ in CLASSICS])
def test_a_mended_twin_is_silent_under_the_same_budget(twin):
    found = explore(twin, iterations=budget(twin), max_steps=STEPS)
    assert found.runs == budget(twin)
    assert found.failure is None


def gil_python() -> str:
    named = os.environ.get("FTBRIDGE_GIL_PYTHON")
    for candidate in (named, str(ROOT / ".venv-gil/bin/python")):
        if candidate and Path(candidate).exists():
            return candidate
    return pytest.skip("no GIL twin: ./tools/test makes .venv-gil, or set FTBRIDGE_GIL_PYTHON")


def test_schedules_found_here_replay_on_the_gil_twin_every_time(tmp_path):
    for bug, _, _ in CLASSICS:
        (tmp_path / f"{bug.__name__}.json").write_text(schedule_of(bug))
    script = (
        "import pathlib, sys, ftstress\n"
        "from stress import classics\n"
        "assert sys._is_gil_enabled()\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    test = getattr(classics, path.stem)\n"
        f"    print(path.stem, ftstress.replay(path, test, times={REPLAYS}).reproduced)\n"
    )
    paths = [str(ROOT / "tests"), str(ROOT / "stress"), str(ROOT / "locks")]
    done = subprocess.run(
        [gil_python(), "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = dict(line.split() for line in done.stdout.splitlines())
    assert counts == {bug.__name__: str(REPLAYS) for bug, _, _ in CLASSICS}


@pytest.mark.parametrize("strategy", ["dfs", "random"])
def test_the_other_strategies_find_a_lost_update_too(strategy):
    with pytest.raises(ScheduleFailure, match="AssertionError in main"):
        explore(classics.lost_update, strategy=strategy, iterations=BUDGET)


def test_the_same_seed_finds_the_same_schedule():
    texts = {
        explore(classics.abba, seed=7, raises=False).failure.schedule.to_json() for _ in range(3)
    }
    assert len(texts) == 1


def test_every_schedule_survives_edits_elsewhere_in_the_file(tmp_path, monkeypatch):
    source = Path(classics.__file__).read_text()
    edited = source.replace("\n\nclass ", "\n\nUNRELATED = [\n    1,\n]\n\n\nclass ")
    assert edited.count("UNRELATED") > 5
    moved = load_module(tmp_path / "classics.py", edited, monkeypatch)
    for bug, _, _ in CLASSICS:
        assert replay(schedule_of(bug), getattr(moved, bug.__name__)).is_same, bug


def test_a_schedule_that_does_not_fit_says_which_switch_never_came(tmp_path, monkeypatch):
    text = schedule_of(classics.check_then_act)
    source = Path(classics.__file__).read_text()
    # No line between the check and the act any more.
    edited = source.replace(
        """        if self.balance >= amount:
            with self.lock:
                self.balance -= amount
""",
        """        self.withdraw_locked(amount)
""",
    )
    assert edited != source
    changed = load_module(tmp_path / "classics.py", edited, monkeypatch)
    with pytest.raises(ftstress.ReplayDivergedError, match="never came up") as caught:
        replay(text, changed.check_then_act)
    assert "Account.withdraw" in str(caught.value)


def load_module(path, source, monkeypatch):
    import importlib.util

    path.write_text(source)
    spec = importlib.util.spec_from_file_location("edited_classics", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "edited_classics", module)
    spec.loader.exec_module(module)
    return module


def test_a_failure_is_saved_and_its_message_has_the_table_and_the_command(tmp_path):
    path = tmp_path / "abba.json"
    with pytest.raises(ScheduleFailure) as caught:
        explore(classics.abba, iterations=BUDGET, save=path)
    message = str(caught.value)
    assert "waits for the Lock of classics.py:" in message
    assert f"python -m ftstress replay {path}" in message
    assert json.loads(path.read_text())["target"] == "stress.classics:abba"
    assert replay(path, classics.abba).is_same


def test_a_test_that_is_not_deterministic_is_called_that():
    runs = []

    def flaky():
        runs.append(1)
        assert len(runs) != 1

    failure = explore(flaky, iterations=1, raises=False).failure
    assert not failure.is_reproducible
    assert "did not fail again" in str(failure)


def test_what_a_pass_does_not_mean_is_said():
    found = explore(classics.lost_update_mended, iterations=3)
    assert "says nothing about schedules that were not run" in str(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"strategy": "luck"}, "no strategy 'luck'; there are dpor, pct, random, dfs"),
        ({"modules": ["not.there"]}, "'not.there' is not imported"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore(classics.abba, **arguments)
