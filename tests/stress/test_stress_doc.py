"""The examples of docs/stress.md do what it says of them."""

import json
import re
from pathlib import Path

import pytest
from stress.plugin.runs import GIL, PLUGIN

from ftstress import plugin
from ftstress.__main__ import main

pytest_plugins = "pytester"

TEXT = (Path(__file__).parents[2] / "docs" / "stress.md").read_text("utf-8")
FILES = {
    match[1]: match[0] for match in re.findall(r"```python\n((# \w+\.py\n)(?:.*\n)*?)```", TEXT)
}
FILES = {name[2:].strip(): source for name, source in FILES.items()}


def test_the_pytest_example(pytester):
    for name in ("bank.py", "test_bank.py"):
        (pytester.path / name).write_text(FILES[name], "utf-8")
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:hypothesispytest")
    result = pytester.runpytest_subprocess(*PLUGIN, timeout=50)

    result.assert_outcomes(**({"skipped": 1} if GIL else {"passed": 1}), failed=2)
    shown = result.stdout.str()
    for line in (
        "RACE on attribute 'balance' of a Account: self.balance",
        "again: python -m pytest test_bank.py::test_overdraw --ftstress-replay "
        ".ftstress/test_bank.py-test_overdraw.json",
    ):
        assert line in TEXT
        assert line in shown
    assert "stops before:" in shown


def test_the_workloads(tmp_path, capsys):
    path = tmp_path / "work.py"
    path.write_text(FILES["work.py"], "utf-8")
    assert main(["measure", str(path), "--seconds", "0.01"]) == 0
    assert list(json.loads(capsys.readouterr().out)["workloads"]) == ["Locked", "Sharded"]


@pytest.mark.parametrize("option", sorted(set(re.findall(r"--ftstress-[a-z]+", TEXT))))
def test_the_options_are_there(option):
    assert f'"{option}"' in Path(plugin.__file__).read_text("utf-8")


def test_links_lead_somewhere():
    folder = Path(__file__).parents[2] / "docs"
    assert all((folder / name).is_file() for name in re.findall(r"\]\((\w[^)#]*)\)", TEXT))
