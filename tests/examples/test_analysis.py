from __future__ import annotations

import pytest
from examples.source_tree import ALPHA

from ftbridge.examples.analysis import InvalidSourceError, analyse, most_called, node_types, parse


def test_everything_is_counted() -> None:
    report = analyse(ALPHA.encode(), "alpha.py")
    assert report.path == "alpha.py"
    assert report.bytes == len(ALPHA)
    assert report.lines == 8
    assert report.comments == 1
    assert (report.functions, report.classes, report.imports) == (1, 0, 2)
    # `if`, one `and`, a comprehension with one condition.
    assert report.branches == 4
    assert (report.documented, report.documentable) == (2, 2)
    assert report.calls == {"os.path.join": 1, "len": 2, "make": 1, "*.strip": 1}
    assert report.call_sites == 5
    assert report.tokens == sum(report.token_types.values())
    assert report.token_types["STRING"] == 3


@pytest.mark.parametrize(
    ("source", "tokens", "nodes", "depth"),
    [
        (b"", 0, 1, 1),
        (b"f(1)\n", 4, 6, 5),  # Module > Expr > Call > Name > Load, and the Constant
    ],
)
def test_small_sources(source: bytes, tokens: int, nodes: int, depth: int) -> None:
    report = analyse(source, "small.py")
    assert (report.tokens, report.nodes, report.depth) == (tokens, nodes, depth)


def test_the_encoding_declaration_is_honoured() -> None:
    report = analyse("# coding: latin-1\nname = 'é'\n".encode("latin-1"), "old.py")
    assert report.lines == 2


@pytest.mark.parametrize(
    "source",
    [b"def (:\n", b"x = 'open", b"(", b"a\0b", b"\xff\xfe", b"# coding: no-such\n", b"  x\n y\n"],
)
def test_what_is_not_python_is_one_error(source: bytes) -> None:
    with pytest.raises(InvalidSourceError, match=r"'bad\.py' is not valid Python"):
        analyse(source, "bad.py")


def test_nesting_beyond_the_parser_is_the_same_error() -> None:
    with pytest.raises(InvalidSourceError, match=r"'deep\.py'"):
        parse(b"(" * 5000 + b")" * 5000, "deep.py")


def test_a_tree_deeper_than_the_recursion_limit_is_measured() -> None:
    report = analyse(b"x = " + b"+".join([b"1"] * 1500) + b"\n", "sum.py")
    assert report.depth > 1000


def test_the_most_called_come_first_and_ties_are_alphabetical() -> None:
    report = analyse(b"b(); a(); c(); c()\n", "calls.py")
    assert most_called(report, 2) == [("c", 2), ("a", 1)]
    assert most_called(report, 10) == [("c", 2), ("a", 1), ("b", 1)]


def test_kinds_of_nodes_forget_names() -> None:
    first = node_types(parse(b"a(b)\n", "a.py"))
    assert first == node_types(parse(b"long_name(other)\n", "b.py"))
    assert first["Call"] == 1
    assert first["Name"] == 2
