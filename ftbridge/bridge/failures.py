"""The structured form in which a tool's failure reaches the caller.

Callers of the bridge get a JSON object that names the exception's class and carries its message,
its traceback and where it happened; the Elixir host turns it into an exception struct of its
own. The object has to fit where it travels: a response's field has room, a status message has
less than one packet. So what is least needed goes first, and the text stays valid JSON however
small the room is. Values of arguments are never part of it, since they may be secrets.

Never imports the transport.
"""

from __future__ import annotations

import json
import traceback
from types import TracebackType

from ftbridge.adapters.errors import ToolExitError

RESPONSE_BUDGET_BYTES = 64 * 1024
"""Room in ``ExecuteToolResponse.error_message``. Fifty frames take about 8 KiB; past this size a
message is data, not an explanation."""

MAX_FRAMES = 50
"""Innermost frames of a traceback that are kept: Python shows its causes at the inner end."""

MAX_LINES = 400
MAX_LINE_CHARACTERS = 500
"""Bounds of a traceback whose exception has a very long message: its text is in ``message``."""

MINIMUM_BUDGET_BYTES = 1024
"""Below it the names and the message would have no room beside the JSON itself."""

_CUT = "... (cut)"

_INTERNAL_MODULES = ("ftbridge.bridge.", "ftbridge.adapters.")
"""Leading frames of these modules say how the tool was called, which explains nothing."""


def failure_json(
    error: BaseException, *, tool_name: str, session_id: str, budget: int = RESPONSE_BUDGET_BYTES
) -> str:
    """Describe a tool's failure as JSON.

    Args:
        error: what the tool, or the check of its arguments, raised.
        tool_name, session_id: go into ``context``; both are cut when they are absurdly long.
        budget: length in bytes that the text, percent-encoded as a status message would be,
            stays within; at least `MINIMUM_BUDGET_BYTES`.

    Returns:
        ASCII text: a JSON object with ``type``, ``message``, ``stacktrace`` (lines),
        ``traceback`` (the same, joined; left out first when room is short) and ``context``.
    """
    if budget < MINIMUM_BUDGET_BYTES:
        raise ValueError(f"budget={budget} is below {MINIMUM_BUDGET_BYTES} bytes")
    lines = _traceback_lines(error)
    # Half for the message and an eighth for each name leave an eighth for the JSON around them,
    # so that the text fits even when no line of the traceback does.
    message = _fit(_message(error), budget // 2)
    kind = _fit(_type_name(error), budget // 8)
    context = {
        "tool_name": _fit(tool_name, budget // 8),
        "session_id": _fit(session_id, budget // 8),
    }
    payload: dict[str, object] = {
        "type": kind,
        "message": message,
        "stacktrace": lines,
        "traceback": "\n".join(lines),
        "context": context,
    }
    text = json.dumps(payload)
    if encoded_length(text) <= budget:
        return text
    del payload["traceback"]
    while True:
        text = json.dumps(payload)
        if not lines or encoded_length(text) <= budget:
            return text
        # The inner half tells more than the outer one.
        lines = lines[(len(lines) + 1) // 2 :]
        payload["stacktrace"] = lines


def describe(error: BaseException) -> str:
    """One line: class and message, also when the exception cannot say what it is."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the exception's own code may raise anything
        text = ""
    name = type(error).__name__
    line = f"{name}: {text}" if text else name
    return line.encode("utf-8", "replace").decode()


def encoded_length(text: str) -> int:
    """Bytes that ASCII JSON takes once percent-encoded (only ``%`` itself needs an escape)."""
    return len(text) + 2 * text.count("%")


def _type_name(error: BaseException) -> str:
    # The adapter layer wraps what would end the process; callers are told what the tool raised.
    if isinstance(error, ToolExitError) and error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - the exception's own code may raise anything
        return f"<{type(error).__name__}.__str__ raised {type(broken).__name__}>"


def _fit(text: str, room: int) -> str:
    """The text, or as much of its beginning as takes ``room`` bytes once encoded."""
    if encoded_length(json.dumps(text)) <= room:
        return text
    # No character takes less than one byte; from there a quarter less each time.
    text = text[:room]
    while encoded_length(json.dumps(text + _CUT)) > room:
        text = text[: len(text) * 3 // 4]
    return text + _CUT


def _traceback_lines(error: BaseException) -> list[str]:
    try:
        parts = traceback.format_exception(
            type(error), error, _tool_frames(error.__traceback__), limit=-MAX_FRAMES
        )
    except Exception:  # noqa: BLE001 - a source file that changes meanwhile, an odd __notes__
        return [f"{type(error).__name__}: {_message(error)}"]
    lines = "".join(parts).splitlines()[-MAX_LINES:]
    return [line[:MAX_LINE_CHARACTERS] for line in lines]


def _tool_frames(tb: TracebackType | None) -> TracebackType | None:
    while tb is not None:
        module = tb.tb_frame.f_globals.get("__name__", "")
        if not str(module).startswith(_INTERNAL_MODULES):
            break
        tb = tb.tb_next
    return tb
