"""`docs/locks.md` and the package say the same: a row for each primitive, a test for each row."""

import ast
import re
from pathlib import Path

import pytest

import ftlocks

HERE = Path(__file__).parent
TEXT = (HERE.parent.parent / "docs" / "locks.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in TEXT.split("## Guarantees\n")[1].split("\n## ")[0].splitlines()
    if line.startswith("| `")
]


def public_primitives():
    """The classes of the package that hold, wait or share: not figures, errors or observers."""
    apart = {"Hold", "LockInfo", "LockState", "Observer", "Owner", "Waiter"}
    for name in ftlocks.__all__:
        thing = getattr(ftlocks, name)
        if (
            isinstance(thing, type)
            and not issubclass(thing, Exception)
            and not name.endswith("Statistics")
            and name not in apart
            # docs/deadlocks.md, docs/locks-profile.md
            and not thing.__module__.startswith(
                ("ftlocks.order", "ftlocks._orderclass", "ftlocks.deadlock", "ftlocks.profiler")
            )
        ):
            yield name


def test_every_primitive_has_a_row():
    assert {row[0].strip("`") for row in ROWS} == set(public_primitives())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip("`"))
def test_every_row_names_a_test_that_exists(row):
    file, name = re.fullmatch(r"`(test_\w+\.py)::(test_\w+)`", row[3]).groups()
    tree = ast.parse((HERE / file).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_examples_run():
    listening = TEXT.split("## Listening\n")[1]
    (example,) = re.findall(r"```python\n(.*?)```", listening, re.DOTALL)
    exec(compile(example, "docs/locks.md", "exec"), {})
    first = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
    exec(compile(first, "docs/locks.md", "exec"), {"url": "a", "fetch": str.upper})
