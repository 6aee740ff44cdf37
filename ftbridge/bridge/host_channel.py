"""Calls of a host's service, each with a time limit and each one that can be given up.

Knows the channel and the messages, and nothing of sessions or tools.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from ftbridge.rpc import Channel, RpcError, StatusCode
from ftbridge.wire.codec import DecodeError, Message

from .context import CORRELATION_HEADER
from .naming import SERVICE_NAME

if TYPE_CHECKING:
    from ftbridge.adapters.context import SessionContext
    from ftbridge.rpc import Metadata


class HostChannel:
    """The host at ``address``. One connection, made when first needed and again when it is lost.

    Safe to use from any thread. Raises ValueError for a bad address.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = Channel(address)

    def close(self) -> None:
        """Close the connection; calls that are open or to come raise UNAVAILABLE."""
        self._channel.close()

    def ask[A: Message](
        self,
        method: str,
        request: Message,
        answer: type[A],
        timeout: float,
        *,
        context: SessionContext | None = None,
        again: bool = False,
    ) -> A:
        """One call.

        Args:
            timeout: seconds, for everything together.
            context: the request on whose behalf it is made: its correlation id goes with the
                call, and its cancellation ends the call.
            again: make the call once more when the connection was lost, since repeating it is
                harmless.

        Raises:
            RpcError: the host's status; UNAVAILABLE, DEADLINE_EXCEEDED; CANCELLED when the
                context was cancelled; INTERNAL for an answer that is not the bridge's.
        """
        path = f"/{SERVICE_NAME}/{method}"
        end = time.monotonic() + timeout
        while True:
            try:
                data = self._call(path, request.encode(), end - time.monotonic(), context)
            except RpcError as error:
                if not again or error.code is not StatusCode.UNAVAILABLE:
                    raise
                again = False
                continue
            try:
                return cast("A", answer.decode(data))
            except DecodeError as error:
                raise RpcError(
                    StatusCode.INTERNAL, f"{method}: the answer is not the bridge's: {error}"
                ) from None

    def _call(
        self, path: str, request: bytes, timeout: float, context: SessionContext | None
    ) -> bytes:
        timeout = max(0.0, timeout)
        if context is None:
            return self._channel.unary(path, request, timeout=timeout)
        if context.cancelled and context.time_remaining() != 0:
            # Not left to the callback: a quick host would have answered before it is added.
            raise RpcError(StatusCode.CANCELLED, "the request that asks has been cancelled")
        # Opened as a stream, of which there is one item: `unary` leaves nothing to cancel.
        call = self._channel.unary_stream(
            path, request, timeout=timeout, metadata=_metadata(context)
        )
        context.add_cancel_callback(call.cancel)
        try:
            return call.result()
        finally:
            context.remove_cancel_callback(call.cancel)


def _metadata(context: SessionContext) -> Metadata:
    """The correlation header, where the id is one that a header can carry."""
    value = context.correlation_id
    if value and value.isascii() and value.isprintable():
        return ((CORRELATION_HEADER, value),)
    return ()
