"""The client for threads: every method waits for its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from ftbridge.rpc import Channel, RpcError, StatusCode
from ftbridge.rpc.method import DEFAULT_MAX_MESSAGE_BYTES
from ftbridge.wire import messages

from .errors import UnavailableError
from .exchange import (
    CLEANUP,
    CONNECT_TIMEOUT,
    DEFAULT_ADDRESS,
    EXECUTE,
    FAREWELL_TIMEOUT,
    INITIALIZE,
    PING,
    STREAM,
    UNSET,
    Arguments,
    Exchange,
    Prepared,
    Unset,
    merged,
    new_session_id,
)
from .retry import RetryPolicy
from .tools import Chunk, RemoteTool

_DEFAULT_RETRY: Final = RetryPolicy()


class _Calls:
    """Calls in one session; in none when its id is empty."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id

    @property
    def _client(self) -> Client:
        raise NotImplementedError

    def call(
        self,
        tool: str,
        arguments: Arguments | None = None,
        /,
        *,
        timeout: float | Unset | None = UNSET,
        idempotent: bool | None = None,
        metadata: Mapping[str, str] | None = None,
        correlation_id: str | None = None,
        **named: Any,
    ) -> Any:
        """Call a tool and return what it returns.

        Args:
            tool: its name.
            arguments: by name, as a mapping, and as keywords. Only in the mapping can they have
                the names of this method's own options. ``bytes`` and numpy arrays travel as such.
            timeout: seconds, for all attempts together; None waits for ever. Default: the client's.
            idempotent: whether to try again after UNAVAILABLE. Default: what the tool says of
                itself, ``@tool(metadata={"idempotent": "true"})``.
            metadata: of the request, for the tool's `session_context.request_metadata`.
            correlation_id: ties the call to the server's log and telemetry.

        Returns:
            The value; arrays are read-only.

        Raises:
            ToolError: the tool raised, or does not exist, or does not take these arguments.
            DeadlineExceededError, UnavailableError, CallCancelledError, CallError: the call
                ended otherwise.
            ForeignServerError: the server is no bridge.
        """
        client = self._client
        prepared = client._exchange.prepare(
            self.session_id,
            tool,
            merged(arguments, named),
            timeout=timeout,
            metadata=metadata,
            correlation_id=correlation_id,
            idempotent=idempotent,
        )
        return client._execute(prepared)

    def stream(
        self,
        tool: str,
        arguments: Arguments | None = None,
        /,
        *,
        timeout: float | Unset | None = UNSET,
        metadata: Mapping[str, str] | None = None,
        correlation_id: str | None = None,
        **named: Any,
    ) -> Generator[Any]:
        """Call a streaming tool; yields the data of its chunks as they arrive.

        The call begins with the first ``next``. Closing the generator, or leaving a ``for`` loop
        early and letting go of it, cancels the call; the server holds the tool back while nobody
        takes its chunks. Never tried again: chunks may have been seen. Arguments and errors are
        `call`'s; ``timeout`` is for the whole stream.
        """
        chunks = self.chunks(
            tool,
            arguments,
            timeout=timeout,
            metadata=metadata,
            correlation_id=correlation_id,
            **named,
        )
        try:
            for chunk in chunks:
                if not chunk.empty:  # a bare final chunk ends a stream whose tool marked none
                    yield chunk.data
        finally:
            chunks.close()

    def chunks(
        self,
        tool: str,
        arguments: Arguments | None = None,
        /,
        *,
        timeout: float | Unset | None = UNSET,
        metadata: Mapping[str, str] | None = None,
        correlation_id: str | None = None,
        **named: Any,
    ) -> Generator[Chunk]:
        """`stream`, with all that came with each chunk: whether it is final, its metadata."""
        client = self._client
        prepared = client._exchange.prepare(
            self.session_id,
            tool,
            merged(arguments, named),
            timeout=timeout,
            metadata=metadata,
            correlation_id=correlation_id,
            stream=True,
        )
        return client._stream(prepared)


class Client(_Calls):
    """Calls the tools of the server at an address. One for any number of threads.

    Connects when first used, and again after the server was lost. A context manager that closes
    the connection. Outside a `session` tools run without one.

    Args:
        address: ``host:port`` or ``unix:/path``.
        timeout: seconds for calls that give none of their own; None waits for ever.
        metadata: sent with every call.
        retry: how often, and when, calls of idempotent tools are tried again.
        max_message_bytes: longest answer that is accepted.

    Raises:
        ValueError: the address or the timeout cannot be used.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        retry: RetryPolicy = _DEFAULT_RETRY,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
    ) -> None:
        super().__init__("")
        self._exchange = Exchange(address, timeout=timeout, metadata=metadata)
        self._retry = retry
        self._channel = Channel(address, max_receive_bytes=max_message_bytes)
        self._closing = threading.Event()
        self._known: Mapping[str, RemoteTool] | None = None  # replaced as a whole

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._exchange.address

    @property
    def _client(self) -> Client:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that still run end with `UnavailableError`."""
        self._closing.set()
        self._channel.close()

    def ping(self, *, timeout: float = CONNECT_TIMEOUT) -> float:
        """Seconds that a Ping takes, there and back. Raises as `call`."""
        started = time.monotonic()
        request = messages.PingRequest(message="ping").encode()
        try:
            self._channel.unary(PING, request, timeout=timeout)
        except RpcError as error:
            raise self._exchange.silent(error, timeout) from None
        return time.monotonic() - started

    def tools(self) -> Mapping[str, RemoteTool]:
        """What the server offers, by name. Raises as `call`."""
        # The bridge lists its tools only to a session.
        with self.session() as session:
            return session.tools()

    def session(
        self, session_id: str | None = None, *, metadata: Mapping[str, str] | None = None
    ) -> Session:
        """A session, for a ``with`` block that creates it on the server and cleans it up.

        Without the block it only lends its id to its calls: for a session that somebody else
        created, or that the server creates by its first call and expires by itself.

        Args:
            session_id: default: one that no other session has.
            metadata: of the session, for the tools' `session_context.session_metadata`.
        """
        return Session(self, session_id or new_session_id(), metadata)

    # --- for sessions -----------------------------------------------------------------------------

    def _initialize(
        self, session_id: str, metadata: Mapping[str, str], timeout: float = CONNECT_TIMEOUT
    ) -> Mapping[str, RemoteTool]:
        request = messages.InitializeSessionRequest(session_id=session_id, metadata=dict(metadata))
        try:
            answer = self._channel.unary(INITIALIZE, request.encode(), timeout=timeout)
        except RpcError as error:
            raise self._exchange.silent(error, timeout) from None
        tools = self._known = self._exchange.tools(answer)
        return tools

    def _cleanup(self, session_id: str) -> None:
        request = messages.CleanupSessionRequest(session_id=session_id)
        try:
            self._channel.unary(CLEANUP, request.encode(), timeout=FAREWELL_TIMEOUT)
        except RpcError:
            pass  # the server expires it

    def _execute(self, prepared: Prepared) -> object:
        try:
            answer = self._unary(prepared)
        except RpcError as error:
            if error.code is not StatusCode.UNAVAILABLE or prepared.idempotent is False:
                raise self._exchange.failure(error) from None
            answer = self._again(prepared, error)
        return self._exchange.result(answer)

    def _again(self, prepared: Prepared, error: RpcError) -> bytes:
        """More attempts at a call whose first ended with UNAVAILABLE, if it may have them."""
        idempotent = prepared.idempotent
        if idempotent is None:
            idempotent = self._says_idempotent(prepared.tool)
        for pause in self._retry.pauses() if idempotent is not False else ():
            if self._closing.wait(prepared.capped(pause)):
                break
            try:
                if idempotent is None:  # nobody could be asked yet
                    idempotent = self._asked_idempotent(prepared)
                    if not idempotent:
                        break
                return self._unary(prepared)
            except RpcError as failed:
                error = failed
                if failed.code is not StatusCode.UNAVAILABLE:
                    break
            except UnavailableError:
                continue
        raise self._exchange.failure(error) from None

    def _asked_idempotent(self, prepared: Prepared) -> bool:
        session_id = new_session_id()
        self._initialize(session_id, {}, timeout=prepared.capped(CONNECT_TIMEOUT))
        self._cleanup(session_id)
        return bool(self._says_idempotent(prepared.tool))

    def _says_idempotent(self, tool: str) -> bool | None:
        known = self._known
        if known is None:
            return None
        return tool in known and known[tool].idempotent

    def _unary(self, prepared: Prepared) -> bytes:
        return self._channel.unary(
            EXECUTE, prepared.request, timeout=prepared.remaining(), metadata=prepared.headers
        )

    def _stream(self, prepared: Prepared) -> Generator[Chunk]:
        chunk = self._exchange.chunk
        try:
            call = self._channel.unary_stream(
                STREAM, prepared.request, timeout=prepared.remaining(), metadata=prepared.headers
            )
            try:
                for data in call:
                    yield chunk(data)
            finally:
                call.close()
        except RpcError as error:
            raise self._exchange.failure(error) from None


class Session(_Calls):
    """Calls within one session of a client. Safe to use from any number of threads.

    Made by `Client.session`; see there.
    """

    def __init__(
        self, client: Client, session_id: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(session_id)
        self._owner = client
        self._metadata = dict(metadata or {})
        self._tools: Mapping[str, RemoteTool] | None = None

    @property
    def _client(self) -> Client:
        return self._owner

    def __enter__(self) -> Self:
        """Create the session on the server. Raises as `call`."""
        self._tools = self._owner._initialize(self.session_id, self._metadata)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After Ctrl-C nobody waits for a farewell.
        if kind is None or issubclass(kind, Exception):
            self.close()

    def close(self) -> None:
        """Clean the session up on the server; never fails: it expires by itself too."""
        self._owner._cleanup(self.session_id)

    def tools(self) -> Mapping[str, RemoteTool]:
        """What the session can call, by name: as it was when it was created, or is now."""
        tools = self._tools
        if tools is None:
            tools = self._tools = self._owner._initialize(self.session_id, self._metadata)
        return tools


__all__ = ["Client", "Session"]
