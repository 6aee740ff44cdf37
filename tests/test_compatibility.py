"""``docs/compatibility.md``: every difference it lists is held by tests that exist."""

import ast
import functools
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEXT = (HERE.parent / "docs" / "compatibility.md").read_text("utf-8")
NAMED = re.compile(r"`([\w/]+/test_\w+\.py)::(test_\w+)`")


def rows() -> list[str]:
    """Every row of every table, without the two lines at its head."""
    tables = re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE)
    return [row for table in tables for row in table.splitlines()[2:]]


@functools.cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((HERE / file).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_there_is_a_table_to_check() -> None:
    assert len(rows()) > 30


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip()[:50])
def test_every_difference_has_a_test_that_exists(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    assert len(cells) == 5, cells
    assert all(cells), cells
    named = NAMED.findall(cells[-1])
    assert named, f"no test is named: {row}"
    for file, name in named:
        assert (HERE / file).is_file(), file
        assert name in names_in(file), f"{file}::{name}"
