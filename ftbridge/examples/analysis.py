"""What there is to count in one Python source file: tokens, syntax tree, calls.

Pure Python and bound to the CPU, on purpose: this is the work that a thread pool runs in parallel
only where the GIL is off. Functions of their input alone; must never keep state or touch a shared
object, so that any number of threads may be inside.
"""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

# What McCabe's measure counts as a decision ("A Complexity Measure", 1976), in today's syntax.
# BoolOp and comprehensions are counted apart: one node can hold several decisions.
_BRANCHES: Final = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.Assert,
    ast.match_case,
)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_DOCUMENTABLE: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

# Tokens that carry no text of their own: layout, and the marks at both ends of a file.
_LAYOUT: Final = frozenset(
    {
        tokenize.ENCODING,
        tokenize.ENDMARKER,
        tokenize.NEWLINE,
        tokenize.NL,
        tokenize.INDENT,
        tokenize.DEDENT,
    }
)

# Stands for an expression without a name, as in `*.strip` for `line().strip()`.
_NAMELESS: Final = "*"


class InvalidSourceError(ValueError):
    """The file is not Python that this interpreter can parse; the message says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """Everything measured in one file. `calls` maps a callee's dotted name to its call sites."""

    path: str
    bytes: int
    lines: int
    tokens: int
    comments: int
    token_types: Mapping[str, int]
    nodes: int
    depth: int
    functions: int
    classes: int
    imports: int
    branches: int
    documented: int
    documentable: int
    calls: Mapping[str, int]

    @property
    def call_sites(self) -> int:
        """How many calls are written in the file."""
        return sum(self.calls.values())

    def metrics(self) -> dict[str, int]:
        """The numbers that can be added up over files."""
        return {
            "bytes": self.bytes,
            "lines": self.lines,
            "tokens": self.tokens,
            "comments": self.comments,
            "nodes": self.nodes,
            "functions": self.functions,
            "classes": self.classes,
            "imports": self.imports,
            "branches": self.branches,
            "call_sites": self.call_sites,
        }


@dataclass(slots=True)
class _TreeCounts:
    nodes: int = 0
    depth: int = 0
    functions: int = 0
    classes: int = 0
    imports: int = 0
    branches: int = 0
    documented: int = 0
    documentable: int = 0


def analyse(source: bytes, path: str) -> FileReport:
    """Measure one file's content. Takes around 25 ms of CPU for 1,000 lines.

    Raises `InvalidSourceError` naming `path` where the content is not valid Python.
    """
    tree = parse(source, path)
    try:
        by_type = Counter(token.type for token in _tokens(source))
    except (tokenize.TokenError, SyntaxError, UnicodeError) as error:
        raise _invalid(path, error) from error
    calls: Counter[str] = Counter()
    counts = _measure(tree, calls)
    return FileReport(
        path=path,
        bytes=len(source),
        lines=len(source.splitlines()),
        tokens=sum(count for kind, count in by_type.items() if kind not in _LAYOUT),
        comments=by_type[tokenize.COMMENT],
        token_types={
            tokenize.tok_name[kind]: by_type[kind] for kind in sorted(by_type.keys() - _LAYOUT)
        },
        nodes=counts.nodes,
        depth=counts.depth,
        functions=counts.functions,
        classes=counts.classes,
        imports=counts.imports,
        branches=counts.branches,
        documented=counts.documented,
        documentable=counts.documentable,
        calls=dict(calls),
    )


def parse(source: bytes, path: str) -> ast.Module:
    """The syntax tree of a file's content, its encoding declaration honoured.

    Raises `InvalidSourceError`, for nesting too deep for the parser also.
    """
    try:
        return ast.parse(source, filename=path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _invalid(path, error) from error


def node_types(tree: ast.Module) -> Counter[str]:
    """How often each kind of node occurs: the style of a file, without its names."""
    return Counter(type(node).__name__ for node in ast.walk(tree))


def most_called(report: FileReport, limit: int) -> list[tuple[str, int]]:
    """The callees with the most call sites, ties in alphabetical order."""
    return sorted(report.calls.items(), key=_by_count_then_name)[:limit]


def _by_count_then_name(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _tokens(source: bytes) -> Iterator[tokenize.TokenInfo]:
    return tokenize.tokenize(io.BytesIO(source).readline)


def _measure(tree: ast.Module, calls: Counter[str]) -> _TreeCounts:
    """Count over the whole tree, with a stack: generated code nests deeper than Python recurses."""
    counts = _TreeCounts()
    waiting: list[tuple[ast.AST, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        counts.nodes += 1
        counts.depth = max(counts.depth, depth)
        if isinstance(node, _DOCUMENTABLE):
            counts.documentable += 1
            counts.documented += ast.get_docstring(node, clean=False) is not None
        if isinstance(node, ast.Call):
            calls[_callee(node.func)] += 1
        elif isinstance(node, _FUNCTIONS):
            counts.functions += 1
        elif isinstance(node, ast.ClassDef):
            counts.classes += 1
        elif isinstance(node, ast.Import | ast.ImportFrom):
            counts.imports += len(node.names)
        elif isinstance(node, _BRANCHES):
            counts.branches += 1
        elif isinstance(node, ast.BoolOp):
            counts.branches += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            counts.branches += 1 + len(node.ifs)
        waiting.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return counts


def _callee(function: ast.expr) -> str:
    """The dotted name of what is called, as in `self.scan_once`."""
    names = []
    while isinstance(function, ast.Attribute):
        names.append(function.attr)
        function = function.value
    names.append(function.id if isinstance(function, ast.Name) else _NAMELESS)
    return ".".join(reversed(names))


def _invalid(path: str, error: Exception) -> InvalidSourceError:
    return InvalidSourceError(
        f"{path!r} is not valid Python for this interpreter ({error}); choose another file"
    )
