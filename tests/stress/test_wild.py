"""`stress/wild`: saved schedules of the standard library's mistakes fail again, on both builds.

Those of packages need the network and are run by `stress/wild/replay.py`.
"""

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

import ftstress

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "stress" / "wild"
PROGRAMS = sorted(FOLDER.glob("[0-9]*.py"))
ASSIGNED = {
    program: {
        ast.unparse(statement.targets[0])
        for statement in ast.parse(program.read_text("utf-8")).body
        if isinstance(statement, ast.Assign)
    }
    for program in PROGRAMS
}
OWN = [program for program in PROGRAMS if "REQUIREMENTS" not in ASSIGNED[program]]


def test_there_are_more_than_five_with_what_their_authors_claim_and_a_schedule():
    assert [program.name[:2] for program in PROGRAMS] == [
        f"{number:02}" for number in range(1, len(PROGRAMS) + 1)
    ]
    assert len(PROGRAMS) > 5
    for program in PROGRAMS:
        assert "Claims" in ast.get_docstring(ast.parse(program.read_text("utf-8")))
        schedule = json.loads(program.with_suffix(".json").read_text("utf-8"))
        assert schedule["target"].startswith(f"{program.name}:")
        assert str(ROOT) not in json.dumps(schedule)


def test_the_list_names_them_all():
    listed = (ROOT / "docs" / "wild.md").read_text("utf-8")

    assert re.findall(r"\((\.\./stress/wild/\w+\.py)\)", listed) == [
        f"../stress/wild/{program.name}" for program in PROGRAMS
    ]


# A weak reference's callback in a watched module may run when its schedule is over.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("program", OWN, ids=lambda program: program.stem)
def test_the_schedule_fails_again(program, monkeypatch):
    name = f"wild_{program.stem}"
    spec = importlib.util.spec_from_file_location(name, program)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)

    again = ftstress.replay(program.with_suffix(".json"), module.TEST, times=10)

    assert again.reproduced == 10
