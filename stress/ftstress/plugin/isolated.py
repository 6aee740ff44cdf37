"""A test item with fixtures of its own, so that several items can be set up at the same time.

pytest keeps one function item set up at a time, and the value of a fixture in the fixture's
definition, which all tests share. Here an item is made again with copies of the definitions that
have the scope of a function; what has a wider scope stays shared, as its author wants it. Fixtures
are set up and torn down on the thread that calls, one item after the other: pytest's own state is
not made for several threads. Must never run a test.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from _pytest.fixtures import FixtureDef, FuncFixtureInfo
from _pytest.scope import Scope
from _pytest.tmpdir import tmppath_result_key


class Isolated:
    """A copy of an item. `set_up()` before `call()`, and `tear_down()` in any case."""

    def __init__(self, item: pytest.Function) -> None:
        self.original = item
        info = item._fixtureinfo
        own = FuncFixtureInfo(
            info.argnames,
            info.initialnames,
            list(info.names_closure),
            {
                name: tuple(_own(each) for each in definitions)
                for name, definitions in info.name2fixturedefs.items()
            },
        )
        extra = {"callspec": item.callspec} if hasattr(item, "callspec") else {}
        self.item: pytest.Function = type(item).from_parent(
            item.parent,
            name=item.name,
            fixtureinfo=own,
            originalname=item.originalname,
            **extra,
        )
        # `tmp_path` looks here when it is torn down, for what a hook notes of an item that pytest
        # runs: whether to keep the folder.
        self.item.stash[tmppath_result_key] = {"call": True}
        self._pushed: list[Any] = []

    @property
    def name(self) -> str:
        """The test's node id."""
        return self.original.nodeid

    def set_up(self) -> None:
        """Set up its fixtures, and whatever it is in that is not set up yet."""
        stack = self.item.session._setupstate.stack
        for node in self.item.listchain():
            if node not in stack:
                self._pushed.append(node)
                stack[node] = ([node.teardown], None)
                node.setup()

    def call(self) -> None:
        """Call the test's function."""
        arguments = {name: self.item.funcargs[name] for name in self.item._fixtureinfo.argnames}
        self.item.obj(**arguments)

    def tear_down(self) -> None:
        """Undo `set_up`, as far as it came. Raises what fixtures raise, all of it at the end."""
        stack = self.item.session._setupstate.stack
        errors: list[BaseException] = []
        while self._pushed:
            finalizers, _ = stack.pop(self._pushed.pop())
            while finalizers:
                try:
                    finalizers.pop()()
                except Exception as error:  # noqa: BLE001  # all must have their turn
                    errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup(f"errors while tearing down {self.name}", errors)


def _own(definition: FixtureDef[Any]) -> FixtureDef[Any]:
    if definition._scope is not Scope.Function:
        return definition
    own = copy.copy(definition)
    own.__dict__.update(cached_result=None, _finalizers=[])
    return own


# Fixtures that change what belongs to the whole process.
_GLOBAL_FIXTURES = frozenset(
    {
        *("capfd", "capfdbinary", "caplog", "capsys", "capsysbinary"),
        *("monkeypatch", "recwarn", "pytester", "testdir"),
    }
)
# Functions that do; `warnings` is the whole process's on 3.13.
_GLOBAL_NAMES = frozenset({"warns", "deprecated_call", "catch_warnings", "chdir", "signal"})


def why_alone(item: pytest.Item) -> str:
    """Why an item cannot run at the same time as others; "" where it can."""
    if not isinstance(item, pytest.Function) or (item.cls is not None and _is_unittest(item.cls)):
        return "it is no plain test function"
    used = _GLOBAL_FIXTURES.intersection(item.fixturenames)
    if used:
        return f"it uses {', '.join(sorted(used))}, which the whole process shares"
    function: Callable[..., object] = item.function
    code = getattr(function, "__code__", None)
    if code is None:
        return "it is no plain test function"
    if code.co_flags & (0x80 | 0x200 | 0x20):  # CO_COROUTINE, CO_ASYNC_GENERATOR, CO_GENERATOR
        return "it is a coroutine or generator"
    named = _GLOBAL_NAMES.intersection(code.co_names)
    if named:
        return f"it uses {', '.join(sorted(named))}, which the whole process shares"
    return ""


def _is_unittest(cls: type) -> bool:
    return any(base.__module__ == "unittest.case" for base in cls.__mro__)
