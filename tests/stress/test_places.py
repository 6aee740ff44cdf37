"""Which lines and operations are places where a switch matters, and what they are called."""

import functools
import sys
import types
from dataclasses import dataclass

import pytest

from ftstress.places import CodeMap, codes_of, modules_named

total = 0


def sample(shared, number):
    kept = number
    if kept is None:
        return kept
    shared.count += kept
    shared.items[number] = shared.other
    return kept


def uses_global():
    global total
    total = total + 1
    return len


def places(function, granularity="operation"):
    """Places by offset of line: the line itself as "", then operations."""
    codes = CodeMap(codes_of(function), granularity)
    code = function.__code__
    found = {}
    for offset in range(0, len(code.co_code), 2):
        site = codes.at(code, offset)
        if site is not None:
            found.setdefault(site.place.offset, []).append(site.place.operation)
    return found


def test_lines_that_touch_only_local_variables_are_no_places():
    assert set(places(sample, "line")) == {4, 5}


def test_the_first_operation_of_a_line_is_the_line():
    found = places(sample)
    assert found[4] == ["", "store count"]
    assert found[5] == ["", "load items", "store item"]


def test_only_globals_that_are_assigned_in_functions_are_shared():
    assert places(uses_global) == {2: ["", "store total"]}


def test_closure_variables_that_are_assigned_again_are_shared():
    def outer():
        count = 0
        fixed = 1

        def inner():
            nonlocal count
            count = count + fixed

        return inner

    assert places(outer()) == {2: ["", "store count"]}


def test_places_are_named_by_function_and_line_within_it():
    codes = CodeMap(codes_of(sample), "operation")
    code = sample.__code__
    site = codes.site(code, code.co_firstlineno + 4, "")
    assert site.place == ("test_places.py", "sample", 4, "")
    assert str(site.place) == "test_places.py sample+4"
    assert site.text == "shared.count += kept"


def test_all_code_of_a_module_is_found_and_none_of_what_it_imports():
    source = """
import functools, textwrap
from dataclasses import dataclass

def plain():
    return [x for x in (lambda: [1])()]

@functools.wraps(plain)
def wrapping(*a): pass

@functools.lru_cache
def cached(): pass

@dataclass
class Made:
    x: int
    def method(self): pass
    @property
    def prop(self): pass
    @classmethod
    def build(cls): pass
    class Inner:
        def deep(self):
            def nested(): pass

imported = textwrap.dedent
"""
    module = types.ModuleType("sampled")
    exec(compile(source, "sampled.py", "exec"), module.__dict__)
    names = {code.co_qualname for code in codes_of(module)}
    assert names >= {
        *("plain", "plain.<locals>.<lambda>", "cached", "wrapping"),
        *("Made.method", "Made.prop", "Made.build", "Made.Inner.deep"),
        "Made.Inner.deep.<locals>.nested",
    }
    assert not any("dedent" in name or "__init__" in name for name in names)


def test_modules_are_named_alone_or_with_their_package():
    assert modules_named(["functools"]) == [functools]
    names = [module.__name__ for module in modules_named(["concurrent.*"])]
    assert {"concurrent", "concurrent.futures"} <= set(names)
    assert "ftstress.not_there" not in sys.modules
    with pytest.raises(ValueError, match=r"'ftstress\.not_there' is not imported"):
        modules_named(["ftstress.not_there"])


def test_generated_methods_have_no_source_and_are_left_out():
    @dataclass
    class Made:
        x: int

    assert not [code for code in codes_of(Made) if code.co_name == "__init__"]
