"""`@tool` and `@thread_safe_method` in every form that adapters write."""

import threading
import time

import pytest

from ftbridge import (
    AdapterHost,
    BaseAdapter,
    SessionContext,
    ThreadSafeAdapter,
    thread_safe_method,
    tool,
)
from ftbridge.adapters.decorators import METADATA_ATTRIBUTE, ToolMetadata
from ftbridge.adapters.errors import InvalidToolError, LockTimeoutError, ToolDeadlineError
from ftstress import run_parallel


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


class Recorder:
    """A lock that tells what is done with it."""

    def __init__(self, log, label):
        self.log, self.label = log, label

    def __enter__(self):
        self.log.append(f"+{self.label}")

    def __exit__(self, *_):
        self.log.append(f"-{self.label}")


def recording(method, taken):
    class Ledger(ThreadSafeAdapter):
        __thread_safe__ = True
        add = method

        def acquire_lock(self, name=None, timeout=None):
            return Recorder(taken, f"write {name}")

        def acquire_read_lock(self, name=None, timeout=None):
            return Recorder(taken, f"read {name}")

    return Ledger


@pytest.mark.parametrize("tool_outside", [True, False])
@pytest.mark.parametrize(
    ("locks", "sides"),
    [
        ({"exclusive": True}, ["write None"]),
        ({"exclusive": "ledger"}, ["write ledger"]),
        ({"exclusive": ["b", "a"]}, ["write a", "write b"]),
        ({"reads": "ledger"}, ["read ledger"]),
        ({"writes": ("z", "a"), "reads": ("m", "a")}, ["write a", "read m", "write z"]),
        ({"exclusive": True, "reads": "a"}, ["write None", "read a"]),
    ],
)
def test_declared_locks_are_held_in_the_order_of_their_names(tool_outside, locks, sides):
    taken = []

    def work(self, amount: int):
        taken.append(amount)
        return amount

    lock = thread_safe_method(**locks)
    adapter = recording(tool(lock(work)) if tool_outside else lock(tool(work)), taken)

    host = AdapterHost(adapter)
    assert [p.name for p in host.tools["add"].parameters] == ["amount"]
    assert adapter().add(amount=4) == 4
    assert taken == [*(f"+{side}" for side in sides), 4, *(f"-{side}" for side in reversed(sides))]


def test_a_lock_that_cannot_be_had_lets_go_of_those_taken_before():
    taken = []

    class Refusing(recording(thread_safe_method(writes=["a", "b"])(lambda self: None), taken)):
        def acquire_lock(self, name=None, timeout=None):
            if name == "b":
                raise LockTimeoutError("b is taken")
            return super().acquire_lock(name, timeout)

    with pytest.raises(LockTimeoutError):
        Refusing().add()
    assert taken == ["+write a", "-write a"]


@pytest.mark.parametrize("declared", [True, False])
def test_two_methods_with_the_same_locks_cannot_wait_for_each_other(declared):
    """Each has the first of its locks before the other asks for its second, if it can."""
    meeting = threading.Barrier(2)

    class Meeting(ThreadSafeAdapter):
        __thread_safe__ = True

        def acquire_lock(self, name=None, timeout=None):
            guard = super().acquire_lock(name, timeout=0.5)
            if not declared:
                return guard
            return MeetingGuard(guard, name)

        if declared:

            @thread_safe_method(writes=["a", "b"])
            def one(self): ...

            @thread_safe_method(writes=["b", "a"])
            def two(self): ...

        else:

            def one(self):
                with self.acquire_lock("a"):
                    meeting.wait(20)
                    with self.acquire_lock("b"):
                        pass

            def two(self):
                with self.acquire_lock("b"):
                    meeting.wait(20)
                    with self.acquire_lock("a"):
                        pass

    class MeetingGuard:
        """Holding the first lock, waits a little for the other thread to hold one too."""

        def __init__(self, guard, name):
            self.guard, self.first = guard, not held.names
            self.name = name

        def __enter__(self):
            self.guard.__enter__()
            held.names.append(self.name)
            if self.first:
                try:
                    meeting.wait(0.05)
                except threading.BrokenBarrierError:
                    pass

        def __exit__(self, *details):
            held.names.remove(self.name)
            self.guard.__exit__(*details)

    class Held(threading.local):
        def __init__(self):
            self.names = []

    held = Held()
    adapter = Meeting()
    outcomes = run_parallel(lambda: attempt(adapter.one), lambda: attempt(adapter.two))
    if declared:
        assert outcomes == ["done", "done"]
    else:
        assert "gave up" in outcomes  # the control: taken in two orders, they do wait


def attempt(method):
    try:
        method()
    except LockTimeoutError:
        return "gave up"
    return "done"


@pytest.mark.parametrize("locked", [True, False])
def test_a_writer_keeps_its_update_from_readers_only_with_the_declaration(locked):
    declare = thread_safe_method if locked else (lambda **_: lambda function: function)
    torn = threading.Event()
    looked = threading.Event()

    class Account(ThreadSafeAdapter):
        __thread_safe__ = True

        def __init__(self):
            super().__init__()
            self.left, self.right = 1, 1

        @declare(writes="balance")
        @tool
        def move(self):
            self.left -= 1
            torn.set()
            # The reader gets in now if nothing holds it back; if the lock does, time runs out.
            looked.wait(0.1 if locked else 20)
            self.right += 1

        @tool
        @declare(reads="balance")
        def total(self):
            seen = self.left + self.right
            looked.set()
            return seen

    host = AdapterHost(Account)
    host.open()

    def read():
        torn.wait(20)
        return host.call("total", {}, SessionContext())

    _, seen = run_parallel(lambda: host.call("move", {}, SessionContext()), read)
    host.close()
    assert seen == (2 if locked else 1)


def test_a_call_that_waits_for_a_lock_ends_at_its_deadline():
    class Busy(ThreadSafeAdapter):
        __thread_safe__ = True

        @thread_safe_method(writes="x")
        @tool
        def work(self):
            raise AssertionError("it must not run")

    host = AdapterHost(Busy)
    host.open()
    context = SessionContext(deadline=time.monotonic() + 0.01)
    with host._life._instance.acquire_lock("x"), pytest.raises(ExceptionGroup) as caught:
        run_parallel(lambda: host.call("work", {}, context))
    assert isinstance(caught.value.exceptions[0], ToolDeadlineError)
    host.close()


@pytest.mark.parametrize("names", [[""], [3], [None], ""])
def test_what_is_no_name_of_a_lock_is_refused(names):
    with pytest.raises(InvalidToolError, match="is no name of a lock"):
        thread_safe_method(writes=names)


def test_locks_need_an_adapter_that_has_them():
    class Plain(BaseAdapter):
        __thread_safe__ = True

        @thread_safe_method(exclusive=True)
        @tool
        def work(self): ...

    with pytest.raises(InvalidToolError, match=r"Plain\.work declares locks.*ThreadSafeAdapter"):
        AdapterHost(Plain)


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
