from __future__ import annotations

from functools import partial

import pytest
from bridge.races import Meeting, NoLock, at_once, meet_after_reading

from ftbridge.adapters.errors import InvalidToolError
from ftbridge.adapters.host_access import HostToolArgumentError, HostToolNotFoundError
from ftbridge.bridge.host_tools import HostTools, host_tool
from ftbridge.bridge.naming import NameRuleError


def scale(values: list[float], factor: float = 2.0) -> list[float]:
    """Multiply each value.

    More about it.
    """
    return [value * factor for value in values]


def test_register_and_call():
    tools = HostTools()
    tool = tools.register(scale, metadata={"team": "a"})
    assert (tool.name, tool.info.description) == ("scale", "Multiply each value.")
    assert tools.call("scale", {"values": [1.0], "factor": 3.0}) == [3.0]
    assert tools.call("scale", {"values": [1.0]}) == [2.0]
    assert list(tools.tools) == ["scale"]


def test_name_and_description_can_be_given():
    tool = HostTools().register(lambda: 1, name="one", description="One.")
    assert (tool.name, tool.info.description) == ("one", "One.")


def test_unknown_tools_are_named_with_what_there_is():
    tools = HostTools()
    with pytest.raises(HostToolNotFoundError, match="'x'; exposed: none"):
        tools.call("x", {})
    tools.register(scale)
    with pytest.raises(HostToolNotFoundError, match="exposed: scale"):
        tools.call("x", {})


@pytest.mark.parametrize("arguments", [{}, {"values": [], "other": 1}])
def test_arguments_that_do_not_fit(arguments):
    tools = HostTools()
    tools.register(scale)
    with pytest.raises(HostToolArgumentError, match="scale"):
        tools.call("scale", arguments)


def test_a_type_error_of_the_function_is_its_own():
    def broken() -> None:
        raise TypeError("inside")

    tools = HostTools()
    tools.register(broken)
    with pytest.raises(TypeError, match="inside"):
        tools.call("broken", {})


def test_what_cannot_be_registered():
    async def coroutine() -> None: ...

    tools = HostTools()
    with pytest.raises(TypeError, match="asynchronous"):
        tools.register(coroutine)
    with pytest.raises(TypeError, match="cannot be called"):
        tools.register(3)  # type: ignore[arg-type]
    with pytest.raises(NameRuleError):
        tools.register(lambda: 1)
    with pytest.raises(NameRuleError):
        tools.register(scale, metadata={"k": "v" * 5000})
    tools.register(scale)
    with pytest.raises(ValueError, match="already registered"):
        tools.register(scale)


def test_remove():
    tools = HostTools()
    tools.register(scale)
    before = tools.tools
    assert tools.remove("scale")
    assert not tools.remove("scale")
    assert not tools.tools
    assert list(before) == ["scale"]  # a reader's snapshot stays


@pytest.mark.parametrize("locked", [True, False])
def test_registrations_of_two_threads_are_both_kept_thanks_to_the_lock(locked):
    tools = HostTools()
    if not locked:
        tools._lock = NoLock()  # type: ignore[assignment]
    meet_after_reading(tools, "_tools", Meeting(2, locked=locked))
    at_once([partial(tools.register, scale, name=name) for name in ("a", "b")])
    meet_after_reading(tools, "_tools", Meeting(1, locked=True))
    assert len(tools.tools) == (2 if locked else 1)


def test_arguments_are_checked_as_those_of_tools_are():
    tools = HostTools()
    tools.register(scale)
    assert tools.call("scale", {"values": [1.0], "factor": 3}) == [3.0]  # an int for a float
    with pytest.raises(HostToolArgumentError) as raised:
        tools.call("scale", {"values": "text", "other": 1})
    for text in ("host tool 'scale': ", "unknown 'other'", "'values' must be", "It takes: values"):
        assert text in str(raised.value)


def test_any_others_and_positional_ones():
    tools = HostTools()
    tools.register(lambda *args, a=1, **others: (args, a, others), name="open")
    assert tools.call("open", {"b": 2}) == ((), 1, {"b": 2})
    with pytest.raises(InvalidToolError, match="positional-only parameter 'value'"):
        tools.register(lambda value, /: value, name="closed")


def test_marked_functions_are_registered_as_their_marks_say():
    @host_tool
    def plain() -> int:
        """Plain."""
        return 1

    @host_tool(name="named", description="Given.", metadata={"team": "a"})
    def other() -> int:
        return 2

    def unmarked() -> None: ...

    tools = HostTools()
    made = tools.register_marked(
        {"plain": plain, "alias": plain, "other": other, "unmarked": unmarked, "data": 3}
    )
    assert [tool.name for tool in made] == ["plain", "named"]
    assert (plain(), tools.call("named", {})) == (1, 2)
    assert tools.tools["plain"].info.description == "Plain."
    assert tools.tools["named"].info.description == "Given."
    assert tools.tools["named"].info.metadata == {"team": "a"}
    # What `register` is told goes before the mark.
    assert HostTools().register(other, name="mine").name == "mine"
