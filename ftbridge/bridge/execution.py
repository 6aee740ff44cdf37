"""From a request to the tool and back: ``ExecuteTool`` and ``ExecuteStreamingTool``.

This is the way every call takes, so it creates no function, takes no lock of its own and reads
each field once. Whatever a tool raises ends its call only: in the answer to a unary call, in the
status of a stream.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ftbridge.adapters.chunks import StreamChunk
from ftbridge.adapters.errors import (
    StreamingToolError,
    ToolArgumentError,
    ToolCancelledError,
    ToolDeadlineError,
    ToolNotFoundError,
)
from ftbridge.adapters.host import AdapterHost
from ftbridge.adapters.host_access import NO_HOST, HostAccess
from ftbridge.rpc.cost import Cost
from ftbridge.rpc.method import Call
from ftbridge.rpc.status import MAX_STATUS_MESSAGE_BYTES, RpcError, StatusCode
from ftbridge.wire import messages
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy
from ftbridge.wire.tensors import (
    FORMAT_KEY,
    JSON_FORMAT_KEY,
    TENSOR_FORMAT,
    is_tensor,
    layout_text,
    raw,
    to_json,
    travels_raw,
)
from ftbridge.wire.toolcalls import ToolCall, encode_tool_result
from ftbridge.wire.values import encode_json, encode_value
from ftlocks import ShardedCounter

from .context import CORRELATION_KEY, CallContext, correlation_id
from .failures import failure_json
from .host_link import HostLink
from .parameters import ParameterError, read_arguments
from .sessions import InvalidSessionError, SessionQuotaError, SessionStore
from .telemetry import TelemetryHub
from .watching import CallWatch, Meter

if TYPE_CHECKING:
    import numpy as np

    from ftbridge.telemetry.tracing import CallTracer

_log = logging.getLogger("ftbridge.bridge")

STATUS_BUDGET_BYTES = MAX_STATUS_MESSAGE_BYTES - 64
"""Room for a stream's structured error: below the cut, or it would no longer be valid JSON."""

STREAM_ON_UNARY = {"error": "Streaming tool called on non-streaming endpoint."}
"""What the stock worker returns, as a success, when a stream is asked for by ``ExecuteTool``."""

type ToolRequest = ToolCall | messages.ExecuteToolRequest
"""A request to run a tool, in either form that `decode_tool_request` gives it."""

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionStatistics:
    """Counts since the start; the parts are read one after the other, not at one instant."""

    calls: int
    failed_calls: int
    streams: int
    failed_streams: int
    chunks: int


class ToolExecutor:
    """Runs the tools of one adapter for calls from the wire. Safe to use from any thread.

    Args:
        host: runs the adapter's lifecycle.
        sessions: a session that a call names is created on its first use, as the stock workers
            do by asking their host; a call without a session id runs without one.
        telemetry: hears of every call's start and end.
        policy: how values travel, and which are accepted.
        link: the host, for tools that call it; told of each session's calls when it is elsewhere.
    """

    def __init__(
        self,
        host: AdapterHost,
        sessions: SessionStore,
        telemetry: TelemetryHub,
        policy: WirePolicy = DEFAULT_POLICY,
        link: HostLink | None = None,
    ) -> None:
        self._host = host
        self._sessions = sessions
        self._telemetry = telemetry
        self._policy = policy
        # The calls of a serialized adapter wait for each other, and the first on each thread of an
        # adapter that lives with its thread builds one: neither is for the reactor's thread.
        waits = host.serialized or host.lifetime == "thread"
        self._costs: dict[bytes, Cost] = {} if waits else {n.encode(): Cost() for n in host.tools}
        self._access: HostAccess = NO_HOST if link is None else link
        self._attach = link.attach if link is not None and link.remote else None
        self._calls = ShardedCounter()
        self._failed_calls = ShardedCounter()
        self._streams = ShardedCounter()
        self._failed_streams = ShardedCounter()
        self._chunks = ShardedCounter()
        self._meter: Meter | None = None
        self._tracer: CallTracer | None = None

    def watch_with(self, meter: Meter | None, tracer: CallTracer | None) -> None:
        """Have calls from now on counted and traced."""
        self._meter = meter
        self._tracer = tracer

    def statistics(self) -> ExecutionStatistics:
        """What has been run so far."""
        return ExecutionStatistics(
            calls=self._calls.value(),
            failed_calls=self._failed_calls.value(),
            streams=self._streams.value(),
            failed_streams=self._failed_streams.value(),
            chunks=self._chunks.value(),
        )

    def cost_of(self, message: bytes) -> Cost | None:
        """What is known of the time that calls of this request's tool take."""
        name = tool_name_of(message)
        return self._costs[name] if name in self._costs else None

    def execute(self, request: ToolRequest, call: Call) -> bytes:
        """Run a tool that returns one value.

        Returns:
            An ExecuteToolResponse, encoded: with the value; or, with ``success`` false, with what
            the tool raised, whatever it raised.

        Raises:
            RpcError: the tool raised one; the call was cancelled or its deadline passed; no
                session could be made.
        """
        started = time.perf_counter_ns()
        self._calls.add(1)
        tool_name = request.tool_name
        correlation = correlation_id(call, request.metadata)
        context = self._context(request, call, correlation, started)
        watch: CallWatch | None = None
        if self._meter is not None or self._tracer is not None or self._telemetry.active:
            watch = self._watch(request, call, correlation, started)
        try:
            arguments = (
                request.arguments
                if isinstance(request, ToolCall)
                else read_arguments(request, self._policy)
            )
            if watch is None:
                value = self._host.call(tool_name, arguments, context)
            else:
                value = watch.run(self._host.call, tool_name, arguments, context)
            answer = encode_tool_result(
                value, self._policy, (time.perf_counter_ns() - started) // 1_000_000
            )
        except BaseException as error:  # noqa: BLE001 - a tool's SystemExit ends its call only
            self._failed_calls.add(1)
            if watch is not None:
                watch.ended(error)
            return self._failure(error, request, call, started).encode()
        if watch is not None:
            watch.ended(None)
        return answer

    def stream(self, request: ToolRequest, call: Call) -> Iterator[messages.ToolChunk]:
        """Run a tool and send what it yields; one that returns a value gives one chunk.

        The last chunk sent is final: the tool's own, or an empty one if it marked none. The tool
        goes on only as the chunks are taken, and ends when the iterator is closed.

        Raises:
            RpcError: INTERNAL with the structured error when the tool raises; NOT_FOUND and
                INVALID_ARGUMENT, with the same, when it was never started; and as `execute`.
        """
        started = time.perf_counter_ns()
        self._streams.add(1)
        tool_name = request.tool_name
        correlation = correlation_id(call, request.metadata)
        context = self._context(request, call, correlation, started)
        watch = self._watch(request, call, correlation, started)
        failure: BaseException | None = None
        chunks: Iterator[StreamChunk] | None = None
        count = 0
        final = False
        try:
            arguments = (
                request.arguments
                if isinstance(request, ToolCall)
                else read_arguments(request, self._policy)
            )
            chunks = self._host.stream(tool_name, arguments, context)
            for chunk in chunks if watch is None else watch.stream(chunks):
                count += 1
                final = final or chunk.is_final
                metadata = _chunk_metadata(chunk.metadata)
                yield messages.ToolChunk(
                    chunk_id=f"{tool_name}-{count}",
                    data=chunk_data(chunk.data, metadata, self._policy),
                    is_final=chunk.is_final,
                    metadata=metadata,
                )
            if not final:
                yield messages.ToolChunk(chunk_id=f"{tool_name}-{count + 1}", is_final=True)
        except GeneratorExit as gone:
            # The reader has gone; nobody is left to tell.
            failure = gone
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            failure = error
            self._failed_streams.add(1)
            self._raise_status(error, request, call)
        finally:
            self._chunks.add(count)
            if chunks is not None:
                self._close(chunks, tool_name)
            if watch is not None:
                watch.ended(failure)
            # A local that holds its own frame's exception is a cycle that only the collector ends.
            failure = None

    def _context(
        self, request: ToolRequest, call: Call, correlation: str, started: int
    ) -> CallContext:
        metadata = request.metadata
        if correlation:
            metadata[CORRELATION_KEY] = correlation
        session_id = request.session_id
        if not session_id:
            return CallContext(call, "", metadata, _NO_METADATA, self._access, started)
        try:
            session = self._sessions.ensure(session_id)
        except SessionQuotaError as full:
            # INTERNAL is what the Elixir host answers.
            raise RpcError(StatusCode.INTERNAL, str(full)) from None
        except InvalidSessionError as invalid:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(invalid)) from None
        if self._attach is not None:
            self._attach(session)
        return CallContext(call, session_id, metadata, session.metadata, self._access, started)

    def _watch(
        self, request: ToolRequest, call: Call, correlation: str, started: int
    ) -> CallWatch | None:
        telemetry = self._telemetry if self._telemetry.active else None
        meter = self._meter
        tracer = self._tracer
        if telemetry is None and meter is None and tracer is None:
            return None
        return CallWatch(
            request.tool_name,
            request.session_id,
            correlation,
            call,
            started,
            telemetry,
            meter,
            tracer,
        )

    def _failure(
        self,
        error: BaseException,
        request: ToolRequest,
        call: Call,
        started: int,
    ) -> messages.ExecuteToolResponse:
        if isinstance(error, StreamingToolError):
            return messages.ExecuteToolResponse(success=True, result=encode_value(STREAM_ON_UNARY))
        _raise_if_over(error, call)
        error = self._explain(error, request)
        _log.debug("tool %r failed", request.tool_name, exc_info=error)
        return messages.ExecuteToolResponse(
            success=False,
            error_message=failure_json(
                error, tool_name=request.tool_name, session_id=request.session_id
            ),
            execution_time_ms=(time.perf_counter_ns() - started) // 1_000_000,
        )

    def _raise_status(self, error: BaseException, request: ToolRequest, call: Call) -> NoReturn:
        _raise_if_over(error, call)
        error = self._explain(error, request)
        _log.debug("streaming tool %r failed", request.tool_name, exc_info=error)
        if isinstance(error, ToolNotFoundError):
            code = StatusCode.NOT_FOUND
        elif isinstance(error, ToolArgumentError | ParameterError):
            code = StatusCode.INVALID_ARGUMENT
        else:
            code = StatusCode.INTERNAL
        details = failure_json(
            error,
            tool_name=request.tool_name,
            session_id=request.session_id,
            budget=STATUS_BUDGET_BYTES,
        )
        raise RpcError(code, details) from error

    def _explain(self, error: BaseException, request: ToolRequest) -> BaseException:
        """A tool that a worker registered is known, and yet not found here: say why."""
        if isinstance(error, ToolNotFoundError) and request.session_id:
            session = self._sessions.get(request.session_id)
            tool = None if session is None else session.tools.get(request.tool_name)
            if tool is not None:
                return ToolNotFoundError(
                    request.tool_name,
                    f"Tool {request.tool_name!r} is registered by worker {tool.worker_id!r}; "
                    "the embedded host does not forward calls to workers: call the worker itself",
                )
        return error

    def _close(self, chunks: Iterator[StreamChunk], tool_name: str) -> None:
        close = getattr(chunks, "close", None)
        if close is None:
            return
        try:
            close()
        except BaseException:  # noqa: BLE001 - the tool's clean-up; its stream is over either way
            _log.exception("tool %r failed while its stream was closed", tool_name)


_SESSION_ID_TAG = 0x0A  # field 1, length-delimited
_TOOL_NAME_TAG = 0x12  # field 2, length-delimited
_ONE_BYTE_LENGTHS = 0x80  # a longer varint has this bit


def tool_name_of(message: bytes) -> bytes:
    """The tool's name in an encoded ExecuteToolRequest, for a guess at its cost; b"" if unclear.

    Reads fields in the order of their numbers, as every encoder writes them, and short ones
    only. What it does not understand is no error here: the decoder decides about that.
    """
    try:
        at = 0
        if message[0] == _SESSION_ID_TAG:
            if message[1] >= _ONE_BYTE_LENGTHS:
                return b""
            at = 2 + message[1]
        if message[at] != _TOOL_NAME_TAG or message[at + 1] >= _ONE_BYTE_LENGTHS:
            return b""
        return message[at + 2 : at + 2 + message[at + 1]]
    except IndexError:
        return b""


def _raise_if_over(error: BaseException, call: Call) -> None:
    """Raise the status of a call that nobody waits for, or that the tool itself chose."""
    if isinstance(error, RpcError):
        raise error
    if isinstance(error, ToolDeadlineError):
        raise RpcError(StatusCode.DEADLINE_EXCEEDED, str(error)) from error
    if isinstance(error, ToolCancelledError):
        call.raise_if_cancelled()


def chunk_data(
    data: object, metadata: dict[str, str], policy: WirePolicy = DEFAULT_POLICY
) -> bytes:
    """Bytes of one chunk: none for None, bytes as they are, text as UTF-8, all else as JSON.

    An array that is a chunk by itself is a tensor, raw or as JSON: `metadata` is told which.
    """
    if data is None:
        return b""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode("utf-8", "replace")
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    if is_tensor(data):
        array = cast("np.ndarray[Any, Any]", data)
        if travels_raw(array, policy.tensor_bytes):
            metadata[FORMAT_KEY] = layout_text(array)
            return raw(array)
        metadata[JSON_FORMAT_KEY] = TENSOR_FORMAT
        return encode_json(to_json(array))
    return encode_json(data, policy)


def _chunk_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    if not metadata:
        return {}
    # Tools put numbers here too, and text that UTF-8 cannot carry must not end the stream.
    return {_utf8(key): _utf8(value) for key, value in metadata.items()}


def _utf8(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()
