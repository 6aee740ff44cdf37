from __future__ import annotations

import pytest

from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import AdapterError
from ftbridge.adapters.host_access import (
    HostToolArgumentError,
    HostToolDeadlineError,
    HostToolError,
    HostToolFailedError,
    HostToolNotFoundError,
    HostUnavailableError,
)


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (HostToolNotFoundError("x"), ValueError),
        (HostToolArgumentError("x"), TypeError),
        (HostToolFailedError("x", "boom"), RuntimeError),
        (HostToolDeadlineError("x"), TimeoutError),
        (HostUnavailableError("x"), ConnectionError),
    ],
)
def test_each_error_is_what_its_catchers_look_for(error, also):
    for kind in (HostToolError, AdapterError, RuntimeError, also):
        assert isinstance(error, kind)


def test_errors_say_what_there_is_and_what_the_host_said():
    assert str(HostToolNotFoundError("x", ["b", "a"])).endswith("exposed: a, b")
    assert str(HostToolNotFoundError("x", [])).endswith("exposed: none")
    failed = HostToolFailedError("store", "disk full")
    assert (failed.tool_name, failed.host_message) == ("store", "disk full")
    assert str(failed) == "host tool 'store' failed: disk full"


def test_without_a_host_there_are_no_tools():
    context = SessionContext("s")
    assert dict(context.host_tools) == {}
    with pytest.raises(HostUnavailableError, match="no host to call 'x' on") as raised:
        context.call_host_tool("x")
    assert raised.value.tool_name == "x"
