"""Calls of a host: given up with their request, repeated where that is harmless."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ftbridge.adapters.context import SessionContext
from ftbridge.bridge.host_channel import HostChannel
from ftbridge.bridge.naming import SERVICE_NAME
from ftbridge.rpc import Method, MethodKind, NativeServer, RpcError, ServerOptions, StatusCode
from ftbridge.wire import messages as m

WAIT = 20.0


class Peer:
    """A Ping that does what the test says."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.failures: list[RpcError] = []
        self.entered = threading.Event()
        self.ended = threading.Event()
        self.answer: bytes | None = None
        method = Method(
            path=f"/{SERVICE_NAME}/Ping",
            kind=MethodKind.UNARY,
            handler=self.ping,
            decode=m.PingRequest.decode,
            encode=lambda answer: answer,
        )
        self.server = NativeServer([method], listen="127.0.0.1:0", options=ServerOptions())
        self.address = f"127.0.0.1:{self.server.start()}"

    def ping(self, request: Any, call: Any) -> bytes:
        self.seen.append(dict(call.invocation_metadata))
        if self.failures:
            raise self.failures.pop(0)
        if request.message == "wait":
            call.add_done_callback(self.ended.set)
            self.entered.set()
            self.ended.wait(WAIT)
        if self.answer is not None:
            return self.answer
        return m.PingResponse(message=request.message).encode()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.server.stop(0)


@pytest.fixture
def channel(peer) -> Iterator[HostChannel]:
    made = HostChannel(peer.address)
    yield made
    made.close()


def ping(channel: HostChannel, text: str = "hi", timeout: float = WAIT, **options: Any) -> str:
    answer = channel.ask("Ping", m.PingRequest(message=text), m.PingResponse, timeout, **options)
    return answer.message


def test_a_call(channel, peer):
    assert ping(channel) == "hi"
    assert ping(channel, context=SessionContext("s", {"correlation_id": "sp-1"})) == "hi"
    assert [seen.get("x-snakepit-correlation-id") for seen in peer.seen] == [None, "sp-1"]


@pytest.mark.parametrize("odd", ["\u00e9", "a\nb", ""])
def test_an_id_that_no_header_can_carry_stays_behind(channel, peer, odd):
    assert ping(channel, context=SessionContext("s", {"correlation_id": odd})) == "hi"
    assert "x-snakepit-correlation-id" not in peer.seen[0]


def test_the_requests_end_gives_the_call_up_there_too(channel, peer):
    context = SessionContext("s")
    canceller = threading.Thread(target=lambda: (peer.entered.wait(WAIT), context.cancel("gone")))
    canceller.start()
    with pytest.raises(RpcError) as raised:
        ping(channel, "wait", context=context)
    canceller.join(WAIT)
    assert raised.value.code is StatusCode.CANCELLED
    assert peer.ended.wait(WAIT)
    with pytest.raises(RpcError) as raised:
        ping(channel, context=context)  # at once: it has been cancelled already
    assert raised.value.code is StatusCode.CANCELLED
    assert len(peer.seen) == 1, "the host has not been asked"
    assert not context._callbacks


def test_a_call_has_an_end(channel, peer):
    with pytest.raises(RpcError) as raised:
        ping(channel, "wait", timeout=0.05)
    assert raised.value.code is StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(RpcError) as raised:
        ping(channel, timeout=-1)
    assert raised.value.code is StatusCode.DEADLINE_EXCEEDED


def test_what_was_lost_is_repeated_once_where_that_is_harmless(channel, peer):
    lost = RpcError(StatusCode.UNAVAILABLE, "lost")
    peer.failures = [lost]
    assert ping(channel, again=True) == "hi"
    peer.failures = [lost, lost]
    with pytest.raises(RpcError, match="lost"):
        ping(channel, again=True)
    peer.failures = [lost]
    with pytest.raises(RpcError, match="lost"):
        ping(channel)
    peer.failures = [RpcError(StatusCode.INTERNAL, "broken")]
    with pytest.raises(RpcError, match="broken"):
        ping(channel, again=True)


def test_an_answer_that_is_not_the_bridges(channel, peer):
    peer.answer = b"\xff\xff"
    with pytest.raises(RpcError, match="Ping: the answer is not the bridge's") as raised:
        ping(channel)
    assert raised.value.code is StatusCode.INTERNAL


def test_a_closed_line(channel, peer):
    assert ping(channel) == "hi"
    channel.close()
    with pytest.raises(RpcError) as raised:
        ping(channel, again=True)
    assert raised.value.code is StatusCode.UNAVAILABLE
