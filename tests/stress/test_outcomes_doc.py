"""docs/outcomes.md: its examples do what it shows, its figures are the code's."""

import re
from pathlib import Path

from ftstress import litmus, objects, targets, trials
from ftstress.__main__ import main
from ftstress.linearizability import check

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "outcomes.md").read_text("utf-8")
LITMUS, OBJECT = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def shown(command):
    """The output below a command in the document."""
    return re.search(rf"\$ ftstress {re.escape(command)}\n(.*?)(?:\n\$ |```)", TEXT, re.DOTALL)[1]


def test_the_litmus_test_fails_in_the_schedule_that_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    # As its readers would save it, without the line that names the file.
    (tmp_path / "hits.py").write_text(LITMUS.removeprefix("# hits.py\n"))
    assert main(["litmus", "hits.py", "--explore", "100", "--output", "hits.json"]) == 1
    table = shown("litmus hits.py --explore 100 --output hits.json").removeprefix("...\n")
    assert table.strip() in capsys.readouterr().out
    assert main(["replay", "hits.json", "--times", "50"]) == 0
    assert shown("replay hits.json --times 50").strip() in capsys.readouterr().out


def test_the_table_names_the_tests_outcomes(tmp_path):
    (tmp_path / "hits_test.py").write_text(LITMUS)
    (test,) = targets.classes(str(tmp_path / "hits_test.py"), litmus.Litmus)
    result = litmus.run(test, seconds=None, count=50)
    for row in result.rows:
        assert row.why in shown("litmus hits.py --time 2")


def test_the_object_test_fails_in_the_schedule_that_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stock.py").write_text(OBJECT.removeprefix("# stock.py\n"))
    assert main(["objects", "stock.py", "--explore", "100", "--output", "stock.json"]) == 1
    told = shown("objects stock.py --explore 100 --output stock.json")
    assert told.splitlines()[2:5] == capsys.readouterr().out.splitlines()[2:5]
    assert main(["objects", "--replay", "stock.json", "--times", "5"]) == 0


def test_the_history_that_is_shown_cannot_be_explained(tmp_path):
    (tmp_path / "stock_test.py").write_text(OBJECT)
    (test,) = targets.classes(str(tmp_path / "stock_test.py"), objects.ObjectTest)
    plan = objects.planned(test)
    both = [objects.Operation(thread, "reserve", (3,), True, thread, 5) for thread in (1, 2)]
    assert not check(both, plan.spec).is_linearizable
    assert check(both[:1], plan.spec).is_linearizable


def test_the_figures_are_the_codes():
    assert f"`REPEATS` ({objects.REPEATS})" in TEXT
    assert f"up to {max(trials._SKEWS):,} turns" in TEXT
    assert f"batches of some {1000 * trials._BATCH_SECONDS:.0f} ms" in TEXT
    assert f"some of {objects._SHRINKING_RUNS:,}\nruns" in TEXT
    assert min(trials.SWITCH_INTERVALS) == 1e-6
    assert max(trials.SWITCH_INTERVALS) == 5e-3
    assert f"`threads` ({objects.ObjectTest.threads})" in TEXT
    samples = list((ROOT / "stress" / "samples").glob("[0-9]*.py"))
    assert f"holds {len(samples)} mistakes" in TEXT
