"""The tool registry: whole batches, each name once, nothing lost."""

from ftbridge.bridge.registry import DuplicateToolError, ToolRegistry
from ftbridge.bridge.sessions import Session
from ftbridge.wire import messages
from ftstress.suites._threads import together

MODULES = ("ftbridge.bridge.registry",)


def _batch(*names: str) -> list[messages.ToolRegistration]:
    return [messages.ToolRegistration(name=name) for name in names]


def _session() -> Session:
    return Session("suite", {}, 0, 0.0)


def two_batches_are_both_there() -> None:
    registry, session = ToolRegistry({}), _session()
    together(
        lambda: registry.register(session, _batch("a", "b"), "one"),
        lambda: registry.register(session, _batch("c"), "two"),
    )
    assert sorted(registry.specs(session)) == ["a", "b", "c"]


def a_name_is_taken_once() -> None:
    registry, session = ToolRegistry({}), _session()
    refused: list[str] = []

    def register(worker: str) -> None:
        try:
            registry.register(session, _batch("a"), worker)
        except DuplicateToolError as error:
            refused.append(error.name)

    together(lambda: register("one"), lambda: register("two"))
    assert refused == ["a"]


def a_reader_sees_a_batch_or_nothing_of_it() -> None:
    registry, session = ToolRegistry({}), _session()

    def look() -> None:
        assert sorted(registry.specs(session)) in ([], ["a", "b"])

    together(lambda: registry.register(session, _batch("a", "b"), "one"), look)
