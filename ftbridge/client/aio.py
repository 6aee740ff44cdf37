"""The client for coroutines: the same as `sync`, and the event loop never waits.

No thread per call: answers wake the coroutine from the channel's one reactor. Cancelling a task
cancels its call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from ftbridge.rpc import Channel, RpcError, StatusCode
from ftbridge.rpc.async_channel import AsyncChannel
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


class _AsyncCalls:
    """Calls in one session; in none when its id is empty."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id

    @property
    def _client(self) -> AsyncClient:
        raise NotImplementedError

    async def call(
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
        """As `Client.call`."""
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
        return await client._execute(prepared)

    async def stream(
        self,
        tool: str,
        arguments: Arguments | None = None,
        /,
        *,
        timeout: float | Unset | None = UNSET,
        metadata: Mapping[str, str] | None = None,
        correlation_id: str | None = None,
        **named: Any,
    ) -> AsyncGenerator[Any]:
        """As `Client.stream`. A loop that is left early closes it when ``contextlib.aclosing``
        is around it; otherwise the event loop does, once it is collected.
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
            async for chunk in chunks:
                if not chunk.empty:
                    yield chunk.data
        finally:
            await chunks.aclose()

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
    ) -> AsyncGenerator[Chunk]:
        """As `Client.chunks`."""
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


class AsyncClient(_AsyncCalls):
    """Calls the tools of the server at an address, from coroutines; several loops may share it.

    Arguments are `Client`'s. An asynchronous context manager that closes the connection.
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
        self._channel = AsyncChannel(Channel(address, max_receive_bytes=max_message_bytes))
        self._known: Mapping[str, RemoteTool] | None = None  # replaced as a whole

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._exchange.address

    @property
    def _client(self) -> AsyncClient:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls that still run end with `UnavailableError`."""
        await self._channel.close()

    async def ping(self, *, timeout: float = CONNECT_TIMEOUT) -> float:
        """Seconds that a Ping takes, there and back. Raises as `Client.call`."""
        started = time.monotonic()
        request = messages.PingRequest(message="ping").encode()
        try:
            await self._channel.unary(PING, request, timeout=timeout)
        except RpcError as error:
            raise self._exchange.silent(error, timeout) from None
        return time.monotonic() - started

    async def tools(self) -> Mapping[str, RemoteTool]:
        """What the server offers, by name. Raises as `Client.call`."""
        async with self.session() as session:
            return await session.tools()

    def session(
        self, session_id: str | None = None, *, metadata: Mapping[str, str] | None = None
    ) -> AsyncSession:
        """A session, for an ``async with`` block; as `Client.session`."""
        return AsyncSession(self, session_id or new_session_id(), metadata)

    # --- for sessions -----------------------------------------------------------------------------

    async def _initialize(
        self, session_id: str, metadata: Mapping[str, str], timeout: float = CONNECT_TIMEOUT
    ) -> Mapping[str, RemoteTool]:
        request = messages.InitializeSessionRequest(session_id=session_id, metadata=dict(metadata))
        try:
            answer = await self._channel.unary(INITIALIZE, request.encode(), timeout=timeout)
        except RpcError as error:
            raise self._exchange.silent(error, timeout) from None
        tools = self._known = self._exchange.tools(answer)
        return tools

    async def _cleanup(self, session_id: str) -> None:
        request = messages.CleanupSessionRequest(session_id=session_id)
        try:
            await self._channel.unary(CLEANUP, request.encode(), timeout=FAREWELL_TIMEOUT)
        except RpcError:
            pass  # the server expires it

    async def _execute(self, prepared: Prepared) -> object:
        try:
            answer = await self._unary(prepared)
        except RpcError as error:
            if error.code is not StatusCode.UNAVAILABLE or prepared.idempotent is False:
                raise self._exchange.failure(error) from None
            answer = await self._again(prepared, error)
        return self._exchange.result(answer)

    async def _again(self, prepared: Prepared, error: RpcError) -> bytes:
        """As `Client._again`."""
        idempotent = prepared.idempotent
        if idempotent is None:
            idempotent = self._says_idempotent(prepared.tool)
        for pause in self._retry.pauses() if idempotent is not False else ():
            await asyncio.sleep(prepared.capped(pause))
            try:
                if idempotent is None:  # nobody could be asked yet
                    idempotent = await self._asked_idempotent(prepared)
                    if not idempotent:
                        break
                return await self._unary(prepared)
            except RpcError as failed:
                error = failed
                if failed.code is not StatusCode.UNAVAILABLE:
                    break
            except UnavailableError:
                continue
        raise self._exchange.failure(error) from None

    async def _asked_idempotent(self, prepared: Prepared) -> bool:
        session_id = new_session_id()
        await self._initialize(session_id, {}, timeout=prepared.capped(CONNECT_TIMEOUT))
        await self._cleanup(session_id)
        return bool(self._says_idempotent(prepared.tool))

    def _says_idempotent(self, tool: str) -> bool | None:
        known = self._known
        if known is None:
            return None
        return tool in known and known[tool].idempotent

    async def _unary(self, prepared: Prepared) -> bytes:
        return await self._channel.unary(
            EXECUTE, prepared.request, timeout=prepared.remaining(), metadata=prepared.headers
        )

    async def _stream(self, prepared: Prepared) -> AsyncGenerator[Chunk]:
        chunk = self._exchange.chunk
        try:
            call = await self._channel.unary_stream(
                STREAM, prepared.request, timeout=prepared.remaining(), metadata=prepared.headers
            )
            try:
                async for data in call:
                    yield chunk(data)
            finally:
                call.cancel()
        except RpcError as error:
            raise self._exchange.failure(error) from None


class AsyncSession(_AsyncCalls):
    """Calls within one session of a client. Made by `AsyncClient.session`; see `Client.session`."""

    def __init__(
        self, client: AsyncClient, session_id: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(session_id)
        self._owner = client
        self._metadata = dict(metadata or {})
        self._tools: Mapping[str, RemoteTool] | None = None

    @property
    def _client(self) -> AsyncClient:
        return self._owner

    async def __aenter__(self) -> Self:
        """Create the session on the server. Raises as `Client.call`."""
        self._tools = await self._owner._initialize(self.session_id, self._metadata)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A cancelled task must end soon; the session expires by itself.
        if kind is None or issubclass(kind, Exception):
            await self.close()

    async def close(self) -> None:
        """Clean the session up on the server; never fails: it expires by itself too."""
        await self._owner._cleanup(self.session_id)

    async def tools(self) -> Mapping[str, RemoteTool]:
        """What the session can call, by name: as it was when it was created, or is now."""
        tools = self._tools
        if tools is None:
            tools = self._tools = await self._owner._initialize(self.session_id, self._metadata)
        return tools


__all__ = ["AsyncClient", "AsyncSession"]
