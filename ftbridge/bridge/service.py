"""``snakepit.bridge.BridgeService``: the eleven RPCs, answered in process.

With the embedded host nothing else has to run: sessions, registered tools, host tools and
telemetry live here, by the rules of the Elixir host wherever a caller could tell the difference.
Each RPC is a method of `BridgeService`; running tools is `ToolExecutor`'s part.

Never imports a transport: `methods()` is what any of them serves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from ftbridge.adapters.host import AdapterHost
from ftbridge.rpc.method import Call, Method, MethodKind
from ftbridge.rpc.status import RpcError, StatusCode
from ftbridge.wire import messages
from ftbridge.wire.codec import Message
from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy
from ftbridge.wire.toolcalls import decode_tool_request
from ftbridge.wire.values import to_result

from .context import correlation_id
from .execution import ExecutionStatistics, ToolExecutor
from .failures import describe
from .host_link import EmbeddedHostLink, HostLink
from .host_streams import HostStream
from .host_tools import HostTools
from .host_values import from_argument
from .naming import SERVICE_NAME, NameRuleError
from .registry import RegistrationError, ToolRegistry, tool_spec
from .sessions import InvalidSessionError, SessionQuotaError, SessionStore
from .telemetry import TelemetryHub, TelemetrySubscription

__all__ = ["SERVICE_NAME", "BridgeService"]

_log = logging.getLogger("ftbridge.bridge")

OBSERVE = ("x-ftbridge-telemetry", "observe")
"""Call metadata of ``StreamTelemetry`` with which a client that is not the host asks for a stream
of its own: everything, also what the host's catalogue lacks, and nothing taken from the host."""

_NANOS = 1_000_000_000


class BridgeService:
    """The bridge's service over one adapter. Safe to use from any thread.

    Args:
        host: the opened adapter host whose tools are served.
        sessions, host_tools, telemetry: the embedded host's parts; made new when not given.
        policy: how values travel, and which are accepted.
        link: the line to the host; default: to the embedded one. With a host elsewhere, what
            only a host answers (RegisterTools, GetExposedElixirTools, ExecuteElixirTool) is not
            served here.
    """

    def __init__(
        self,
        host: AdapterHost,
        sessions: SessionStore | None = None,
        *,
        host_tools: HostTools | None = None,
        telemetry: TelemetryHub | None = None,
        policy: WirePolicy = DEFAULT_POLICY,
        link: HostLink | None = None,
    ) -> None:
        self.sessions = SessionStore() if sessions is None else sessions
        self.host_tools = HostTools() if host_tools is None else host_tools
        self.telemetry = TelemetryHub() if telemetry is None else telemetry
        self.registry = ToolRegistry(host.tools)
        self.link = EmbeddedHostLink(self.host_tools) if link is None else link
        self.link.bind(self.sessions, self.registry, host.adapter_class)
        self.executor = ToolExecutor(host, self.sessions, self.telemetry, policy, self.link)

    def statistics(self) -> ExecutionStatistics:
        """How many calls and streams have been run."""
        return self.executor.statistics()

    def methods(self) -> list[Method]:
        """The service as a table that a transport can serve."""
        m = messages
        unary, stream, bidi = MethodKind.UNARY, MethodKind.SERVER_STREAM, MethodKind.BIDI
        execute = self.executor
        own = [] if self.link.remote else self._host_methods()
        return [
            *own,
            # The host gives a worker up over one late heartbeat: these two wait for no handler.
            _method("Ping", unary, self.ping, m.PingRequest, m.PingResponse, inline=True),
            _method(
                "Heartbeat",
                unary,
                self.heartbeat,
                m.HeartbeatRequest,
                m.HeartbeatResponse,
                inline=True,
            ),
            _method(
                "InitializeSession",
                unary,
                self.initialize_session,
                m.InitializeSessionRequest,
                m.InitializeSessionResponse,
            ),
            _method(
                "CleanupSession",
                unary,
                self.cleanup_session,
                m.CleanupSessionRequest,
                m.CleanupSessionResponse,
            ),
            _method(
                "GetSession", unary, self.get_session, m.GetSessionRequest, m.GetSessionResponse
            ),
            Method(
                path=f"/{SERVICE_NAME}/ExecuteTool",
                kind=unary,
                handler=execute.execute,
                decode=decode_tool_request,
                encode=bytes,  # of bytes: the same object
                cost_of=execute.cost_of,
            ),
            Method(
                path=f"/{SERVICE_NAME}/ExecuteStreamingTool",
                kind=stream,
                handler=execute.stream,
                decode=decode_tool_request,
                encode=m.ToolChunk.encode,
            ),
            # The host opens this stream once, with a deadline of 5 s, and never again: a server
            # that enforced the deadline would lose telemetry for good.
            _method(
                "StreamTelemetry",
                bidi,
                self.stream_telemetry,
                m.TelemetryControl,
                m.TelemetryEvent,
                long_lived=True,
                enforce_deadline=False,
            ),
        ]

    def _host_methods(self) -> list[Method]:
        """What a worker asks of its host."""
        m = messages
        unary = MethodKind.UNARY
        return [
            _method(
                "RegisterTools",
                unary,
                self.register_tools,
                m.RegisterToolsRequest,
                m.RegisterToolsResponse,
            ),
            _method(
                "GetExposedElixirTools",
                unary,
                self.get_exposed_elixir_tools,
                m.GetExposedElixirToolsRequest,
                m.GetExposedElixirToolsResponse,
            ),
            _method(
                "ExecuteElixirTool",
                unary,
                self.execute_elixir_tool,
                m.ExecuteElixirToolRequest,
                m.ExecuteElixirToolResponse,
            ),
        ]

    def close(self) -> None:
        """End the telemetry streams, so that a graceful stop does not wait for their readers."""
        self.telemetry.close()

    # --- liveness -------------------------------------------------------------------------------

    def ping(self, request: messages.PingRequest, call: Call) -> messages.PingResponse:
        """The message and the server's time."""
        return messages.PingResponse(message=f"pong: {request.message}", server_time=_now())

    def heartbeat(
        self, request: messages.HeartbeatRequest, call: Call
    ) -> messages.HeartbeatResponse:
        """Whether the session exists here; asking renews it, in time also at a host elsewhere.

        Answered without the host: it gives a worker up whose answer comes late.
        """
        known = self.sessions.touch(request.session_id)
        if known:
            self.link.renew(request.session_id)
        return messages.HeartbeatResponse(server_time=_now(), session_valid=known)

    # --- sessions -------------------------------------------------------------------------------

    def initialize_session(
        self, request: messages.InitializeSessionRequest, call: Call
    ) -> messages.InitializeSessionResponse:
        """Create the session if need be; what the session can call.

        Raises:
            RpcError: INTERNAL (as the Elixir host answers) when the quota is used up,
                INVALID_ARGUMENT for an empty or oversized name or metadata.
        """
        try:
            session = self.sessions.create(request.session_id, request.metadata)
        except SessionQuotaError as full:
            raise RpcError(StatusCode.INTERNAL, str(full)) from None
        except InvalidSessionError as invalid:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(invalid)) from None
        self.link.initialize(session, request, call.time_remaining())
        return messages.InitializeSessionResponse(
            success=True, available_tools=self.registry.specs(session)
        )

    def cleanup_session(
        self, request: messages.CleanupSessionRequest, call: Call
    ) -> messages.CleanupSessionResponse:
        """Forget the session and its registered tools; cleaning up what is not there succeeds.

        Calls that still run in it go on, with ``force`` or without.
        """
        removed = int(self.sessions.remove(request.session_id))
        there = self.link.cleanup(request)
        return messages.CleanupSessionResponse(
            success=True, resources_cleaned=removed if there is None else there
        )

    def get_session(
        self, request: messages.GetSessionRequest, call: Call
    ) -> messages.GetSessionResponse:
        """The session's metadata, age and number of tools; asking renews it.

        Raises:
            RpcError: NOT_FOUND.
        """
        session = self.sessions.get(request.session_id)
        if session is None:
            found = self.link.find(request, call.time_remaining())
            if found is not None:
                return found
            raise RpcError(StatusCode.NOT_FOUND, f"Session not found: {request.session_id}")
        return messages.GetSessionResponse(
            session_id=session.session_id,
            metadata=dict(session.metadata),
            created_at=_timestamp(session.created_at),
            tool_count=self.registry.count(session),
        )

    # --- tools of others ------------------------------------------------------------------------

    def register_tools(
        self, request: messages.RegisterToolsRequest, call: Call
    ) -> messages.RegisterToolsResponse:
        """Register a worker's tools for a session, all or nothing; refusals are in the answer."""
        session = self.sessions.get(request.session_id)
        if session is None:
            return messages.RegisterToolsResponse(
                success=False,
                error_message=f"not_found: there is no session {request.session_id!r}; "
                "call InitializeSession first",
            )
        try:
            tool_ids = self.registry.register(session, request.tools, request.worker_id)
        except (RegistrationError, NameRuleError) as refused:
            return messages.RegisterToolsResponse(success=False, error_message=str(refused))
        return messages.RegisterToolsResponse(success=True, tool_ids=tool_ids)

    def get_exposed_elixir_tools(
        self, request: messages.GetExposedElixirToolsRequest, call: Call
    ) -> messages.GetExposedElixirToolsResponse:
        """The host tools; here, the Python functions registered in `host_tools`."""
        return messages.GetExposedElixirToolsResponse(
            tools=[tool_spec(tool.info) for tool in self.host_tools.tools.values()]
        )

    def execute_elixir_tool(
        self, request: messages.ExecuteElixirToolRequest, call: Call
    ) -> messages.ExecuteElixirToolResponse:
        """Call a host tool. Its failure is in the answer, as plain text, as with the host."""
        started = time.perf_counter_ns()
        try:
            arguments: dict[str, object] = {}
            for name, value in request.parameters.items():
                try:
                    arguments[name] = from_argument(value)
                except ValueError as unreadable:
                    raise ValueError(f"parameter {name!r} cannot be read: {unreadable}") from None
            result, binary = to_result(self.host_tools.call(request.tool_name, arguments))
        except BaseException as error:  # noqa: BLE001 - SystemExit ends this call only
            _log.debug(
                "host tool %r failed (correlation id %r)",
                request.tool_name,
                correlation_id(call, request.metadata),
                exc_info=error,
            )
            return messages.ExecuteElixirToolResponse(
                success=False,
                error_message=describe(error),
                execution_time_ms=_milliseconds_since(started),
            )
        return messages.ExecuteElixirToolResponse(
            success=True,
            result=result,
            binary_result=binary,
            execution_time_ms=_milliseconds_since(started),
        )

    # --- telemetry ------------------------------------------------------------------------------

    def stream_telemetry(
        self, controls: Iterator[messages.TelemetryControl], call: Call
    ) -> Iterator[messages.TelemetryEvent]:
        """Events of tool calls until the caller leaves, as its control messages ask.

        The response headers go out at once: the host waits for them before it goes on. A caller
        that sends `OBSERVE` gets everything for itself; any other is the host, for whose streams
        see `host_streams`.
        """
        subscription: TelemetrySubscription | HostStream
        if OBSERVE in call.invocation_metadata:
            subscription = self.telemetry.subscribe(custom=True)
        else:
            subscription = self.telemetry.open_host_stream()
        call.add_done_callback(subscription.close)
        call.send_initial_metadata(())
        # Controls come and events go independently, and each side blocks: one of them needs a
        # thread. A host opens one such stream for each worker, not for each call.
        threading.Thread(
            target=_follow_controls,
            args=(controls, subscription),
            name="ftbridge-telemetry-control",
            daemon=True,
        ).start()
        return subscription


def _follow_controls(
    controls: Iterator[messages.TelemetryControl], subscription: TelemetrySubscription | HostStream
) -> None:
    try:
        for control in controls:
            subscription.apply(control)
    except RpcError:
        # The stream is over. One that the caller only stopped writing to goes on.
        subscription.close()
    except Exception:  # noqa: BLE001 - reported; the events go on under the last settings
        _log.exception("telemetry control messages cannot be read any more")


def _method(
    name: str,
    kind: MethodKind,
    handler: object,
    request: type[Message],
    response: type[Message],
    *,
    inline: bool = False,
    long_lived: bool = False,
    enforce_deadline: bool = True,
) -> Method:
    return Method(
        path=f"/{SERVICE_NAME}/{name}",
        kind=kind,
        handler=handler,  # type: ignore[arg-type]
        decode=request.decode,
        encode=response.encode,
        inline=inline,
        long_lived=long_lived,
        enforce_deadline=enforce_deadline,
    )


def _now() -> messages.Timestamp:
    return _timestamp(time.time_ns())


def _timestamp(unix_nanoseconds: int) -> messages.Timestamp:
    seconds, nanos = divmod(unix_nanoseconds, _NANOS)
    return messages.Timestamp(seconds=seconds, nanos=nanos)


def _milliseconds_since(started: int) -> int:
    return (time.perf_counter_ns() - started) // 1_000_000
