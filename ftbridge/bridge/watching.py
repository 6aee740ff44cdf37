"""What watches calls: telemetry, metrics, traces. One object for a call that somebody watches.

A call that nobody watches pays three looks at attributes and makes nothing. Whoever watches must
not be able to fail a call: telemetry and metrics cannot raise, and what a tracer raises, which is
third-party code, is logged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from ftbridge.adapters.errors import ToolArgumentError, ToolNotFoundError
from ftbridge.rpc.method import Call

from .parameters import ParameterError
from .telemetry import TelemetryHub

if TYPE_CHECKING:
    from ftbridge.adapters.chunks import StreamChunk
    from ftbridge.telemetry.tracing import CallTracer

_log = logging.getLogger("ftbridge.bridge")

OK: Final = "ok"
ERROR: Final = "error"
INVALID: Final = "invalid"
CANCELLED: Final = "cancelled"
DEADLINE: Final = "deadline_exceeded"
OUTCOMES: Final = (OK, ERROR, INVALID, CANCELLED, DEADLINE)
"""How a call ends: with a result; with what the tool raised; refused before the tool ran, for its
name or arguments; when the caller had cancelled or left; when the deadline had passed."""

_END: Final = object()


class Meter(Protocol):
    """Counts calls; called on the handler thread."""

    def started(self, tool: str) -> None:
        """A call of the tool begins."""

    def ended(self, tool: str, outcome: str, nanoseconds: int) -> None:
        """It has ended, with one of `OUTCOMES`."""


class CallWatch:
    """One call under watch: made when it begins, told when it `ended`."""

    __slots__ = (
        "_call",
        "_context",
        "_correlation",
        "_meter",
        "_session",
        "_span",
        "_started",
        "_telemetry",
        "_tool",
        "_tracer",
    )

    def __init__(
        self,
        tool: str,
        session_id: str,
        correlation: str,
        call: Call,
        started: int,
        telemetry: TelemetryHub | None,
        meter: Meter | None,
        tracer: CallTracer | None,
    ) -> None:
        self._tool = tool
        self._session = session_id
        self._correlation = correlation
        self._call = call
        self._started = started
        self._telemetry = telemetry
        self._meter = meter
        self._tracer = tracer
        if meter is not None:
            meter.started(tool)
        if telemetry is not None:
            telemetry.tool_started(started, tool, session_id, correlation)
        if tracer is not None:
            self._begin_trace(tracer)

    def _begin_trace(self, tracer: CallTracer) -> None:
        attributes = {"ftbridge.tool": self._tool, "session.id": self._session}
        if self._correlation:
            attributes["ftbridge.correlation_id"] = self._correlation
        try:
            self._span, self._context = tracer.begin_call(
                self._tool, self._call.invocation_metadata, attributes
            )
        except Exception:  # noqa: BLE001 - a propagator's or processor's code may raise anything
            _log.exception("no trace of a call of %r", self._tool)
            self._tracer = None

    def run[**P, R](self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result, with the call's span current while it runs."""
        tracer = self._tracer
        if tracer is None:
            return function(*args, **kwargs)
        token = tracer.attach(self._context)
        try:
            return function(*args, **kwargs)
        finally:
            tracer.detach(token)

    def stream(self, chunks: Iterator[StreamChunk]) -> Iterator[StreamChunk]:
        """The chunks; the tool, whose context is made by the first step, sees the call's span."""
        if self._tracer is None:
            yield from chunks
            return
        first = self.run(next, chunks, _END)
        if first is not _END:
            yield first  # type: ignore[misc]  # a chunk: next's default is not
            yield from chunks

    def ended(self, error: BaseException | None) -> None:
        """The call is over, with this error if the tool has not ended well."""
        outcome = _outcome(self._call, error)
        # A reader that leaves ends a stream, and is no failure of the tool.
        failure = None if isinstance(error, GeneratorExit) else error
        if self._meter is not None:
            self._meter.ended(self._tool, outcome, time.perf_counter_ns() - self._started)
        if self._telemetry is not None:
            self._telemetry.tool_ended(
                self._started, self._tool, self._session, self._correlation, failure
            )
        if self._tracer is not None:
            try:
                self._span.set_attribute("ftbridge.outcome", outcome)
                self._tracer.end_call(self._span, failure)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("the trace of a call of %r could not be ended", self._tool)


def _outcome(call: Call, error: BaseException | None) -> str:
    if call.cancelled or isinstance(error, GeneratorExit):
        return DEADLINE if call.time_remaining() == 0 else CANCELLED
    if error is None:
        return OK
    refused = isinstance(error, ToolNotFoundError | ToolArgumentError | ParameterError)
    return INVALID if refused else ERROR
