from __future__ import annotations

import json
from functools import partial

import pytest
from bridge.races import Meeting, NoLock, at_once, meet_after_reading

from ftbridge.adapters.tools import ParameterInfo, ToolInfo
from ftbridge.bridge.host_tools import HostTools
from ftbridge.bridge.naming import NameRuleError
from ftbridge.bridge.registry import (
    MAX_TOOLS_PER_SESSION,
    DuplicateToolError,
    RegistrationError,
    ToolRegistry,
    tool_spec,
)
from ftbridge.bridge.sessions import Session, SessionStore
from ftbridge.wire.messages import ToolRegistration, ToolSpec
from ftbridge.wire.values import decode_value

ADD = ToolInfo(
    name="add",
    description="Add two numbers.",
    parameters=(
        ParameterInfo(name="a", type="integer", required=True, description="First."),
        ParameterInfo(name="b", type="integer", required=False, default=0),
        ParameterInfo(name="mode", type="string", required=False, choices=("x", "y")),
    ),
    supports_streaming=True,
    required_variables=("API_KEY", "REGION"),
    metadata={"team": "a"},
)


@pytest.fixture
def registry() -> ToolRegistry:
    return ToolRegistry({"add": ADD})


@pytest.fixture
def session() -> Session:
    return SessionStore().create("s")


def remote(*names: str) -> list[ToolRegistration]:
    return [ToolRegistration(name=name, description=f"d-{name}") for name in names]


def test_a_tool_on_the_wire():
    spec = tool_spec(ADD)
    assert (spec.name, spec.description, spec.supports_streaming) == (
        "add",
        "Add two numbers.",
        True,
    )
    assert spec.metadata == {"team": "a", "required_variables": "API_KEY,REGION"}
    a, b, mode = spec.parameters
    assert (a.name, a.type, a.description, a.required) == ("a", "integer", "First.", True)
    assert a.default_value is None
    assert a.validation_json == ""
    assert not b.required
    assert decode_value(b.default_value) == 0
    assert json.loads(b.validation_json) == {"default": 0}
    assert json.loads(mode.validation_json) == {"default": None, "enum": ["x", "y"]}
    assert ToolSpec.decode(spec.encode()) == spec


def test_a_default_that_json_cannot_say_does_not_matter():
    odd = ParameterInfo(name="p", type="any", required=False, default=object())
    spec = tool_spec(ToolInfo(name="t", description="", parameters=(odd,)))
    json.loads(spec.parameters[0].validation_json)
    spec.encode()


def test_host_tools_on_the_wire():
    def scale(values: list[float], *args: int, factor: float = 2.0, **rest: int) -> list[float]:
        """Multiply."""
        return values

    spec = tool_spec(HostTools().register(scale, metadata={"k": "v"}).info)
    assert (spec.name, spec.description, spec.metadata) == ("scale", "Multiply.", {"k": "v"})
    assert [(p.name, p.type, p.required) for p in spec.parameters] == [
        ("values", "embedding", True),
        ("factor", "float", False),
    ]


def test_a_session_sees_the_adapters_tools_and_its_own(registry, session):
    ids = registry.register(session, remote("one", "two"), "w1")
    assert ids == {"one": "s:one", "two": "s:two"}
    assert list(registry.specs(session)) == ["add", "one", "two"]
    assert list(registry.specs(None)) == ["add"]
    assert registry.count(session) == 3
    assert session.tools["one"].worker_id == "w1"
    assert session.tools["one"].spec.description == "d-one"


def test_tools_of_one_session_are_not_seen_by_another(registry, session):
    registry.register(session, remote("one"), "w1")
    other = SessionStore().create("other")
    assert list(registry.specs(other)) == ["add"]
    registry.register(other, remote("one"), "w2")


@pytest.mark.parametrize(
    ("names", "where"),
    [
        (["new", "taken"], "session 's'"),
        (["new", "add"], "by the adapter"),
        (["new", "new"], "same batch"),
        ([" taken "], "session 's'"),
    ],
)
def test_a_name_that_is_taken_refuses_the_whole_batch(registry, session, names, where):
    registry.register(session, remote("taken"), "w1")
    with pytest.raises(DuplicateToolError, match=f"duplicate_tool.*{where}"):
        registry.register(session, remote(*names), "w2")
    assert list(session.tools) == ["taken"]


def test_the_hosts_rules_hold_for_registrations_and_for_the_adapter(registry, session):
    with pytest.raises(NameRuleError):
        registry.register(session, remote("good", "not good"), "w")
    with pytest.raises(NameRuleError):
        registry.register(session, [ToolRegistration(name="t", metadata={"k": "v" * 5000})], "w")
    assert not session.tools
    with pytest.raises(NameRuleError):
        ToolRegistry({"x" * 65: ToolInfo(name="x" * 65, description="")})


def test_registered_tools_are_bounded(registry, session):
    registry.register(session, remote(*[f"t{n}" for n in range(MAX_TOOLS_PER_SESSION)]), "w")
    with pytest.raises(RegistrationError, match="the limit is"):
        registry.register(session, remote("more"), "w")


def test_a_reader_keeps_the_table_it_has(registry, session):
    registry.register(session, remote("one"), "w")
    before = session.tools
    registry.register(session, remote("two"), "w")
    assert list(before) == ["one"]


@pytest.mark.parametrize("locked", [True, False])
def test_batches_of_two_threads_are_both_kept_thanks_to_the_lock(registry, session, locked):
    if not locked:
        registry._lock = NoLock()
    meet_after_reading(session, "tools", Meeting(2, locked=locked))
    at_once(
        [
            lambda: registry.register(session, remote("a1", "a2"), "w"),
            lambda: registry.register(session, remote("b1", "b2"), "w"),
        ]
    )
    meet_after_reading(session, "tools", Meeting(1, locked=True))
    assert len(session.tools) == (4 if locked else 2)


@pytest.mark.parametrize("locked", [True, False])
def test_of_two_threads_that_register_one_name_one_succeeds(registry, session, locked):
    if not locked:
        registry._lock = NoLock()
    meet_after_reading(session, "tools", Meeting(2, locked=locked))
    register = partial(registry.register, session, remote("same"), "w")
    outcomes = at_once([register, register])
    refused = [outcome for outcome in outcomes if isinstance(outcome, DuplicateToolError)]
    assert len(refused) == (1 if locked else 0)
