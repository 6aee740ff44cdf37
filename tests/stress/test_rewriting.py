"""`ftstress.rewriting`: what is told, and that the code still does what it did."""

import json
import re
import subprocess
import sys
import traceback
import types
from collections import defaultdict, deque
from pathlib import Path

import pytest

from ftstress import events, rewriting
from tests.stress.rewritten import load, recorded

RUNNER = Path(__file__).with_name("rewritten_runner.py")
# Pure-Python modules, and CPython's tests of them that are quick and need no files.
MODULES = "json,textwrap,shlex,pprint,graphlib,dataclasses,configparser"
TESTS = [
    *("test_json.test_decode", "test_json.test_dump", "test_json.test_encode_basestring_ascii"),
    *("test_json.test_fail", "test_json.test_indent", "test_json.test_scanstring"),
    *("test_textwrap", "test_shlex", "test_pprint", "test_graphlib", "test_dataclasses"),
    "test_configparser",
]


def package_folder():
    """The folder that has the package `test` of this interpreter's source, or skip."""
    record = Path(sys.base_prefix) / "ftbridge-build.json"
    if not record.is_file():
        pytest.skip("this interpreter was not built by tools/setup, so its source is not at hand")
    version = json.loads(record.read_text("utf-8"))["source"]
    folder = record.parents[2] / "stdlib-tests" / version
    if not (folder / "test" / "test_json").is_dir():
        pytest.skip("CPython's tests of the modules are missing: run tools/setup --gil")
    return folder


def test_the_standard_library_passes_its_own_tests_rewritten():
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(package_folder()), "rewritten", MODULES, *TESTS],
        capture_output=True,
        text=True,
        timeout=55,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["run"] > 800
    assert figures["events"] > 100_000


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("box.x = 1", [("write", "Box", "x", 2)]),
        ("return box.n", [("read", "Box", "n", 2)]),
        ("box.n += 1", [("read", "Box", "n", 2), ("write", "Box", "n", 2)]),
        ("del box.n", [("write", "Box", "n", 2)]),
        ("box.method()", []),
        ("box._Box__hidden = 1", [("write", "Box", "_Box__hidden", 2)]),
        ("table['k']", [("read", "dict", "k", 2)]),
        ("table[str('k')]", [("read", "dict", "k", 2)]),
        ("table['new'] = 1", [("write", "dict", "new", 2)]),
        ("table['k'] += 1", [("read", "dict", "k", 2), ("write", "dict", "k", 2)]),
        ("table[str('k')] += 1", [("read", "dict", "k", 2), ("write", "dict", "k", 2)]),
        ("del table['k']", [("write", "dict", "k", 2)]),
        ("'k' in table", [("read", "dict", "k", 2)]),
        ("table.get('k')", [("read", "dict", "k", 2)]),
        ("table.setdefault('k', 1)", [("update", "dict", "k", 2)]),
        ("table.pop('k')", [("take", "dict", "k", 2)]),
        ("table.update(a=1)", [("grow", "dict", None, 2)]),
        ("for _ in table: pass", [("scan", "dict", None, 2)]),
        ("[v for v in table.values()]", [("scan", "dict", None, 2)]),
        ("items[-1]", [("read", "list", 1, 2)]),
        ("items[0:1]", [("scan", "list", None, 2)]),
        ("items[0:1] = [5]", [("reshape", "list", None, 2)]),
        ("del items[0]", [("reshape", "list", 0, 2)]),
        ("items.append(1)", [("grow", "list", None, 2)]),
        ("items.pop()", [("take", "list", None, 2)]),
        ("items.sort()", [("reshape", "list", None, 2)]),
        ("len(items)", [("scan", "list", None, 2)]),
        ("sum(v for v in items)", [("scan", "list", None, 2)]),
        ("if items: pass", [("scan", "list", None, 2)]),
        ("not items", [("scan", "list", None, 2)]),
        ("2 in items", [("scan", "list", None, 2)]),
        ("names.add('x')", [("grow", "set", "x", 2)]),
        ("names.discard('x')", [("take", "set", "x", 2)]),
        ("queue.popleft()", [("take", "deque", None, 2)]),
        ("counts['new']", [("write", "defaultdict", "new", 2)]),
        ("next(steps)", [("write", "generator", None, 2)]),
    ],
)
def test_accesses_are_told(tmp_path, body, told):
    names = "box, table, items, names, queue, counts, steps"
    module = load(
        tmp_path,
        f"""
def code({names}):
    {body}
class Box:
    def method(self): pass
""",
    )
    made = module.Box()
    made.n = 1
    values = (made, {"k": 1}, [1, 2], {"a"}, deque([1]), defaultdict(int))

    seen, _ = recorded(module.code, *values, (n for n in (1, 2)))

    # A generator expression begins by looking at the generator itself.
    assert [entry for entry in seen if body.startswith("next") or entry[1] != "generator"] == told


def test_globals_and_cells_are_told_where_functions_assign_them(tmp_path):
    module = load(
        tmp_path,
        """
total = 0
constant = 5
def add():
    global total
    total += constant
    return total
def counter():
    count = 0
    def step():
        nonlocal count
        count = count + 1
        return [count for count in (1,)]
    return step
""",
    )

    seen, result = recorded(module.add)
    step = module.counter()
    in_cell, _ = recorded(step)

    assert result == 5
    assert [(kind, field) for kind, _, field, _ in seen] == [
        ("read", "total"),
        ("write", "total"),
        ("read", "total"),
    ]
    assert in_cell == [("read", "Scope", "count", 11), ("write", "Scope", "count", 11)]


def test_two_calls_of_a_function_have_two_cells(tmp_path):
    module = load(
        tmp_path,
        """
def counter():
    count = 0
    def step():
        nonlocal count
        count += 1
        return count
    return step
""",
    )
    targets = []

    class Targets(events.Sink):
        def access(self, kind, target, field, site):
            targets.append(target)

    one, two = module.counter(), module.counter()
    sink = Targets()
    events.subscribe(sink)
    one(), one(), two()
    events.unsubscribe(sink)

    assert len({id(target) for target in targets}) == 2


SOURCE = '''
"""Module."""
from __future__ import annotations
import dataclasses

class Base:
    limit: int = 3
    __secret = 1
    def __init__(self): self.log = []
    def __enter__(self): self.log.append("in"); return self
    def __exit__(self, *error): self.log.append("out")
    @property
    def secret(self): return self.__secret

@dataclasses.dataclass
class Point(Base):
    x: int
    y: list[int] = dataclasses.field(default_factory=list)
    def __post_init__(self): super().__init__()

def effects():
    order = []
    def note(value):
        order.append(value)
        return value
    table = {note("a"): [1, 2, 3]}
    table[note("a")][note(1)] += note(10)
    table[note("b")] = note({})
    table.get(note("b")).setdefault(note("c"), []).append(note(5))
    (table[note("d")], order[0]) = note((1, 2))
    return order, table

def forms(point):
    with point as inner, point:
        inner.x: int = 4
        first, *rest = inner.y, *inner.log
        match inner:
            case Point(x=4, y=[one, *_]): found = one
            case {"a": Base.limit}: found = None
            case _: found = "other"
    while (size := len(inner.y)) > 1 and not inner.x == 0:
        inner.y.pop()
    squares = {k: v * v for k, v in zip(inner.y, inner.y) if v in inner.y}
    f = lambda n=inner.x: n + inner.x
    try:
        inner.missing
    except AttributeError as error:
        text = str(error)
    finally:
        inner.x -= 1
    inner.y[len(inner.y):] = [7, 8]
    del inner.y[0]
    assert inner.y, inner.x
    return (found, rest, size, squares, f(), text, inner.x, inner.y, f"{inner.x=} {inner.y!r:>8}",
            inner.secret, [*inner.y, *map(str, inner.y)], -inner.x, inner.x if inner.y else 0)

def generate(items):
    for item in items:
        items[0] += yield item
    return items

def annotations():
    return Point.__annotations__, effects.__doc__, forms.__code__.co_varnames

def run():
    steps = generate([1, 2])
    sent = [next(steps), steps.send(5)]
    return effects(), forms(Point(1, [3, 4, 5])), sent, annotations()
'''


def test_the_code_does_what_it_did(monkeypatch):
    def module_of(code):
        module = types.ModuleType("rewritten_twin")
        monkeypatch.setitem(sys.modules, "rewritten_twin", module)  # where dataclasses looks
        exec(code, module.__dict__)
        return module

    expected = module_of(compile(SOURCE, "code.py", "exec")).run()
    rewritten = module_of(rewriting.bind(rewriting.rewrite(SOURCE, "code.py")))
    quiet = rewritten.run()
    seen, told = recorded(rewritten.run)

    assert repr(quiet) == repr(expected)
    assert repr(told) == repr(expected)
    assert len(seen) > 60


FAILING = """
def inner(box):
    return (box.value +
            box.items[3] +
            box.nothing)

def outer(box):
    for _ in box.items:
        box.total += inner(box)
"""


@pytest.mark.parametrize("items", [[1], [1, 2, 3, 4]])
def test_tracebacks_are_the_same_to_the_column(tmp_path, items):
    path = tmp_path / "failing.py"
    path.write_text(FAILING, "utf-8")

    class Box:
        value = 1

    def trace(code):
        names = {}
        exec(code, names)
        box = Box()
        box.items, box.total = items, 0
        try:
            names["outer"](box)
        except (IndexError, AttributeError):
            return re.sub(
                r"(?s).*?(?=  File \"[^\"]*failing.py)", "", traceback.format_exc(), count=1
            )
        raise AssertionError("should have failed")

    expected = trace(compile(FAILING, str(path), "exec"))
    rewritten = rewriting.bind(rewriting.rewrite(FAILING, str(path)))
    _, told = recorded(trace, rewritten)

    assert "^^^" in expected
    assert told == expected


def test_a_syntax_error_is_the_compilers():
    with pytest.raises(SyntaxError) as caught:
        rewriting.rewrite("x = (1", "broken.py")

    assert caught.value.filename == "broken.py"


def test_deep_recursion_keeps_both_halves_of_an_addition_together(tmp_path):
    module = load(
        tmp_path,
        """
class Node:
    def __init__(self, children): self.children, self.size = children, 1
def count(node):
    for child in node.children:
        node.size += count(child)
    return node.size
""",
    )
    tree = module.Node([module.Node([module.Node([])]), module.Node([])])

    seen, size = recorded(module.count, tree)

    assert size == 4
    assert sum(entry[:3] == ("write", "Node", "size") for entry in seen) == 3
