"""What is read from an adapter class, and which declarations are refused."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

import pytest

from ftbridge import BaseAdapter, tool
from ftbridge.adapters.errors import InvalidToolError
from ftbridge.adapters.tools import collect_tools


class Shop(BaseAdapter):
    @tool
    def sell(
        self,
        item: str,
        price: float,
        *,
        count: int = 1,
        size: Literal["s", "m"] = "s",
        note: Annotated[str, "Printed on the bill"] = "",
        tags: "list[str] | None" = None,
    ) -> dict:
        """Sell something
        to somebody.

        Args:
            item: what is sold,
                by name.
            price: in euros.
        """
        return {}

    @tool("Everything")
    def whatever(self, *args: int, **rest: object): ...

    @tool
    def rows(self) -> Iterator[int]:
        yield 1

    @tool
    async def arows(self) -> AsyncIterator[int]:
        yield 1

    def not_a_tool(self): ...


def test_tools_are_listed_in_alphabetical_order():
    assert list(collect_tools(Shop)) == ["arows", "rows", "sell", "whatever"]


def test_a_description_comes_from_the_decorator_or_the_docstring():
    tools = collect_tools(Shop)
    assert tools["sell"].info.description == "Sell something to somebody."
    assert tools["whatever"].info.description == "Everything"


def test_parameters_carry_type_default_text_and_choices():
    parameters = {p.name: p for p in collect_tools(Shop)["sell"].info.parameters}

    assert [(p.name, p.type, p.required, p.default) for p in parameters.values()] == [
        ("item", "string", True, None),
        ("price", "float", True, None),
        ("count", "integer", False, 1),
        ("size", "string", False, "s"),
        ("note", "string", False, ""),
        ("tags", "embedding", False, None),
    ]
    assert parameters["item"].description == "what is sold, by name."
    assert parameters["note"].description == "Printed on the bill"
    assert parameters["size"].choices == ("s", "m")


def test_keyword_rest_takes_any_and_positional_rest_is_nothing():
    info = collect_tools(Shop)["whatever"].info
    assert info.takes_any
    assert info.parameters == ()


def test_generators_only_stream():
    tools = collect_tools(Shop)
    assert [name for name, t in tools.items() if t.only_streams] == ["arows", "rows"]
    assert tools["rows"].info.supports_streaming
    assert not tools["sell"].info.supports_streaming


def test_an_annotation_that_cannot_be_resolved_leaves_the_others_checked():
    class Odd(BaseAdapter):
        @tool
        def odd(self, a: "NotDefinedAnywhere", b: "int"): ...  # noqa: F821

    parameters = collect_tools(Odd)["odd"].info.parameters
    assert [p.type for p in parameters] == ["any", "integer"]


def test_null_as_default_makes_null_acceptable():
    class Lenient(BaseAdapter):
        @tool
        def f(self, x: int = None): ...  # noqa: RUF013

    (x,) = collect_tools(Lenient)["f"].info.parameters
    assert type(None) in x.accept.exact


def private():
    class Adapter(BaseAdapter):
        @tool
        def _hidden(self): ...

    return Adapter


def static():
    class Adapter(BaseAdapter):
        @tool
        @staticmethod
        def f(): ...

    return Adapter


def positional_only():
    class Adapter(BaseAdapter):
        @tool
        def f(self, x, /): ...

    return Adapter


def without_self():
    class Adapter(BaseAdapter):
        @tool
        def f(): ...

    return Adapter


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (private, r"_hidden is private"),
        (static, r"f is a staticmethod"),
        (positional_only, r"positional-only parameter 'x'"),
        (without_self, r"has no self"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(make, message):
    with pytest.raises(InvalidToolError, match=message):
        collect_tools(make())


def test_a_declaration_under_a_staticmethod_is_refused_too():
    class Adapter(BaseAdapter):
        @staticmethod
        @tool
        def f(): ...

    with pytest.raises(InvalidToolError):
        collect_tools(Adapter)
