"""``docs/protocol.md`` and the tests say the same: no rule without its test, no test unlisted."""

import ast
import re
from pathlib import Path

import pytest
from http2.test_conformance import CASES

from ftbridge.http2 import limits

HERE = Path(__file__).parent
TEXT = (HERE.parent.parent / "docs" / "protocol.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its own first two lines."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_rule_is_listed_as_it_is_tested() -> None:
    listed = {tuple(row) for row in rows("What a peer may and may not do")}
    tested = {(case.section, case.rule, case.answer, f"`{case.id}`") for case in CASES}
    assert listed == tested


def test_sections_are_in_order() -> None:
    def key(section: str) -> tuple[bool, list[int]]:
        number = section.removeprefix("HPACK ")
        return number != section, [int(part) for part in number.split(".")]

    sections = [row[0] for row in rows("What a peer may and may not do")]
    assert sections == sorted(sections, key=key)


@pytest.mark.parametrize("heading", ["What we keep when we send", "Bounds against abuse"])
def test_every_row_names_a_test(heading: str) -> None:
    assert rows(heading)
    for row in rows(heading):
        assert re.search(r"`test_\w+\.py::test_\w+`", row[-1]), row


def test_every_test_named_exists() -> None:
    named = set(re.findall(r"(test_\w+\.py)::(test_\w+)", TEXT))
    assert len(named) > 30
    for file, name in named:
        tree = ast.parse((HERE / file).read_text("utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{file}::{name}"


def test_every_bound_is_listed_with_its_value() -> None:
    listed = {row[0].strip("`"): row[1] for row in rows("Bounds against abuse")}
    tree = ast.parse(Path(limits.__file__).read_text("utf-8"))
    defined = [
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    first = defined.index("MAX_FRAME_SIZE")  # before it: units, and numbers of the RFC itself
    assert list(listed) == defined[first:]
    for name, value in listed.items():
        assert value == f"{getattr(limits, name):,}", name
