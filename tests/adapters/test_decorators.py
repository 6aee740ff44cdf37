"""`@tool` and `@thread_safe_method` in every form that adapters write."""

import pytest

from ftbridge import AdapterHost, BaseAdapter, ThreadSafeAdapter, thread_safe_method, tool
from ftbridge.adapters.decorators import METADATA_ATTRIBUTE, ToolMetadata
from ftbridge.adapters.errors import InvalidToolError


def declared(function):
    return getattr(function, METADATA_ATTRIBUTE)


def test_all_forms_of_tool_leave_the_function_itself():
    def plain(self):
        """Text."""

    assert tool(plain) is plain
    assert declared(plain) == ToolMetadata()
    assert tool()(plain) is plain
    assert declared(plain) == ToolMetadata()
    assert tool("by position")(plain) is plain
    assert declared(plain).description == "by position"
    assert tool(description="by name")(plain) is plain
    assert declared(plain).description == "by name"


def test_options_are_kept():
    @tool(
        description="Search",
        supports_streaming=True,
        required_variables=["api_key"],
        metadata={"owner": "us"},
    )
    def search(self): ...

    assert declared(search) == ToolMetadata(
        description="Search",
        supports_streaming=True,
        required_variables=("api_key",),
        metadata=(("owner", "us"),),
    )


def test_one_string_for_required_variables_is_a_mistake_that_is_named():
    with pytest.raises(InvalidToolError, match=r"write required_variables=\['api_key'\]"):
        tool(required_variables="api_key")


def test_a_description_that_is_no_text_is_refused():
    with pytest.raises(InvalidToolError, match="got 3"):
        tool(3)


def test_thread_safe_method_is_a_declaration_without_cost():
    def plain(self): ...

    assert thread_safe_method(plain) is plain
    assert thread_safe_method()(plain) is plain


@pytest.mark.parametrize("tool_outside", [True, False])
@pytest.mark.parametrize("exclusive", [True, "ledger"])
def test_exclusive_runs_under_the_adapters_lock_above_or_below_tool(tool_outside, exclusive):
    taken = []

    class Recorder:
        def __enter__(self):
            taken.append("taken")

        def __exit__(self, *_):
            taken.append("left")

    def work(self, amount: int):
        taken.append(amount)
        return amount

    lock = thread_safe_method(exclusive=exclusive)
    method = tool(lock(work)) if tool_outside else lock(tool(work))

    class Ledger(ThreadSafeAdapter):
        __thread_safe__ = True
        add = method

        def acquire_lock(self, name=None, timeout=None):
            taken.append(name)
            return Recorder()

    host = AdapterHost(Ledger)
    assert [p.name for p in host.tools["add"].parameters] == ["amount"]
    instance = Ledger()
    assert instance.add(amount=4) == 4
    assert taken == [None if exclusive is True else "ledger", "taken", 4, "left"]


def test_exclusive_refuses_what_would_be_suspended_under_a_lock():
    def generator(self):
        yield

    async def coroutine(self): ...

    async def both(self):
        yield

    for function in (generator, coroutine, both):
        with pytest.raises(InvalidToolError, match="Take acquire_lock"):
            thread_safe_method(exclusive=True)(function)


def test_an_override_without_the_decorator_is_no_tool():
    class Parent(BaseAdapter):
        __thread_safe__ = True

        @tool
        def hello(self): ...

    class Child(Parent):
        def hello(self): ...

    assert list(AdapterHost(Parent).tools) == ["hello"]
    assert list(AdapterHost(Child).tools) == []
