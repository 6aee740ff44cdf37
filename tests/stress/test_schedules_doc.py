"""docs/schedules.md shows what really comes of its example."""

import importlib.util
import re
import sys
from pathlib import Path

from ftstress import control, explore, strategies

TEXT = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_fails_with_the_table_and_the_decision_that_are_shown(tmp_path, monkeypatch):
    path = tmp_path / "test_bank.py"
    path.write_text(blocks("python")[0])
    spec = importlib.util.spec_from_file_location("test_bank_of_the_guide", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    monkeypatch.setenv("COLUMNS", "100")
    spec.loader.exec_module(module)
    failure = explore(module.overdraw, iterations=500, raises=False).failure
    assert failure.table.strip() == blocks("text")[0].strip()
    assert blocks("json")[0].strip() in failure.schedule.to_json()


def test_the_figures_and_names_are_the_codes():
    assert f"has taken {control.SPIN_STEPS} steps" in TEXT
    assert f"after {control.Run.STALL_SECONDS:g} s (`UncontrolledError`)" in TEXT.replace(
        "\n  ", " "
    )
    for name in strategies.NAMES:
        assert f'| `"{name}"`' in TEXT
