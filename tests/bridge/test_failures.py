from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftbridge.bridge.failures import (
    MAX_FRAMES,
    MINIMUM_BUDGET_BYTES,
    encoded_length,
    failure_json,
)


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def describe(error: BaseException, **options: int) -> dict[str, object]:
    text = failure_json(error, tool_name="add", session_id="s1", **options)
    payload = json.loads(text)
    assert isinstance(payload, dict)
    return payload


def test_what_the_host_reads():
    payload = describe(raised(ValueError("no such model")))
    assert payload["type"] == "ValueError"
    assert payload["message"] == "no such model"
    assert payload["context"] == {"tool_name": "add", "session_id": "s1"}
    lines = payload["stacktrace"]
    assert isinstance(lines, list)
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: no such model"
    assert payload["traceback"] == "\n".join(lines)
    assert "error_type" not in payload  # the host would take the whole text for a message


def test_an_error_never_raised_has_a_last_line_only():
    assert describe(KeyError("x"))["stacktrace"] == ["KeyError: 'x'"]


def test_causes_are_in_the_traceback():
    try:
        try:
            raise OSError("disk")
        except OSError as cause:
            raise RuntimeError("save failed") from cause
    except RuntimeError as error:
        text = str(describe(error)["traceback"])
    assert "OSError: disk" in text
    assert "direct cause" in text


def test_an_exception_that_cannot_be_printed():
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    payload = describe(raised(BrokenError()))
    assert payload["type"] == "BrokenError"
    assert "RuntimeError" in str(payload["message"])


def test_deep_recursion_keeps_the_innermost_frames():
    def deeper(n: int) -> None:
        if not n:
            raise LookupError("bottom")
        deeper(n - 1)

    try:
        deeper(300)
    except LookupError as error:
        lines = describe(error)["stacktrace"]
    assert isinstance(lines, list)
    assert lines[-1] == "LookupError: bottom"
    assert sum("deeper" in line for line in lines) <= 2 * MAX_FRAMES


def test_lone_surrogates_travel_as_escapes():
    text = failure_json(ValueError("\ud800"), tool_name="t", session_id="s")
    assert text.isascii()
    assert json.loads(text)["message"] == "\ud800"


def test_our_own_leading_frames_are_left_out():
    namespace: dict[str, object] = {"__name__": "ftbridge.bridge.something"}
    exec("def call(f): f()", namespace)

    def tool() -> None:
        raise ValueError("x")

    try:
        namespace["call"](tool)  # type: ignore[operator]
    except ValueError as error:
        # The test's own frame comes first and is no part of ftbridge: nothing is left out.
        whole = describe(error)["stacktrace"]
        error = error.with_traceback(error.__traceback__.tb_next)  # type: ignore[union-attr]
        inner = describe(error)["stacktrace"]
    assert "in call" in str(whole)
    assert "in call" not in str(inner)
    assert "in tool" in str(inner)


@pytest.mark.parametrize("budget", [MINIMUM_BUDGET_BYTES, 4000, 64 * 1024])
@pytest.mark.parametrize(
    "message", ["", "x" * 200_000, "\u4e16" * 50_000, "%" * 50_000, "a\nb\n" * 20_000, '"\\' * 9000]
)
def test_never_longer_than_its_budget(budget, message):
    error = raised(ValueError(message))
    text = failure_json(error, tool_name="%" * 500, session_id="\u4e16" * 500, budget=budget)
    assert encoded_length(text) <= budget
    assert json.loads(text)["type"] == "ValueError"


def test_the_joined_traceback_goes_first_when_room_is_short():
    error = raised(ValueError("x"))
    whole = len(failure_json(error, tool_name="t", session_id="s"))
    payload = json.loads(failure_json(error, tool_name="t", session_id="s", budget=1024))
    if whole > 1024:
        assert "traceback" not in payload
    assert payload["stacktrace"][-1] == "ValueError: x"


def test_a_budget_without_room_is_refused():
    with pytest.raises(ValueError, match="budget=100"):
        failure_json(ValueError(), tool_name="t", session_id="s", budget=100)


@given(
    st.text(), st.text(max_size=300), st.text(max_size=300), st.integers(MINIMUM_BUDGET_BYTES, 9000)
)
def test_any_text_fits_and_is_json(message, tool, session, budget):
    text = failure_json(RuntimeError(message), tool_name=tool, session_id=session, budget=budget)
    assert encoded_length(text) <= budget
    json.loads(text)
