"""Calls of coroutines over a channel: what `AsyncClient`'s tests do not reach."""

from __future__ import annotations

import asyncio
import socket

import pytest
from rpc.harness import WAIT

from ftbridge.rpc import Channel, RpcError, StatusCode
from ftbridge.rpc.async_channel import AsyncChannel


def test_unary_and_stream(serve) -> None:
    served = serve()

    async def main() -> None:
        async with AsyncChannel(Channel(served.channel.target)) as channel:
            assert await channel.unary("/t.T/Upper", b"abc", timeout=WAIT) == b"ABC"
            call = await channel.unary_stream("/t.T/Count", b"3", timeout=WAIT)
            assert [item async for item in call] == [b"0", b"1", b"2"]
            with pytest.raises(StopAsyncIteration):
                await anext(call)

    asyncio.run(main())


@pytest.mark.parametrize(("path", "said"), [("/t.T/Count", "more than one"), ("/t.T/Fail", "gone")])
def test_calls_that_fail(serve, path: str, said: str) -> None:
    served = serve()

    async def main() -> None:
        async with AsyncChannel(Channel(served.channel.target)) as channel:
            with pytest.raises(RpcError, match=said):
                await channel.unary(path, b"2" if "Count" in path else b"rpc", timeout=WAIT)

    asyncio.run(main())


def test_calls_that_wait_for_one_connection_share_its_failure() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{reserved.getsockname()[1]}"

        async def main() -> None:
            async with AsyncChannel(Channel(target)) as channel:
                found = await asyncio.gather(
                    *[channel.unary("/t.T/Upper", b"", timeout=WAIT) for _ in range(20)],
                    return_exceptions=True,
                )
            assert [getattr(error, "code", error) for error in found] == [
                StatusCode.UNAVAILABLE
            ] * 20

        asyncio.run(main())


def test_a_loop_that_is_gone_does_not_hurt_the_reactor(serve) -> None:
    """The answer comes after the loop was closed: the channel serves the next one."""
    served = serve()
    channel = AsyncChannel(Channel(served.channel.target))

    async def abandoned() -> None:
        call = await channel.unary_stream("/t.T/Block", b"x", timeout=WAIT)
        assert await asyncio.to_thread(served.service.entered.acquire, timeout=WAIT)
        del call

    async def again() -> bytes:
        answer = await channel.unary("/t.T/Upper", b"abc", timeout=WAIT)
        await channel.close()
        return answer

    asyncio.run(abandoned())
    served.service.release.set()
    assert asyncio.run(again()) == b"ABC"


def test_more_calls_than_the_server_allows_at_once_wait_for_room(serve) -> None:
    served = serve()
    inner = Channel(served.channel.target)

    async def main() -> None:
        async with AsyncChannel(inner) as channel:
            await channel.unary("/t.T/Upper", b"", timeout=WAIT)
            connection = inner.connected()
            assert connection is not None
            connection.h2._max_streams = 2  # as the server's SETTINGS would
            answers = await asyncio.gather(
                *[channel.unary("/t.T/Upper", b"x", timeout=WAIT) for _ in range(20)]
            )
            assert answers == [b"X"] * 20

    asyncio.run(main())


def test_a_deadline_passes_while_a_call_waits_for_room(serve) -> None:
    served = serve()
    inner = Channel(served.channel.target)

    async def main() -> None:
        async with AsyncChannel(inner) as channel:
            await channel.unary("/t.T/Upper", b"", timeout=WAIT)
            connection = inner.connected()
            assert connection is not None
            connection.h2._max_streams = 0
            with pytest.raises(RpcError, match="deadline exceeded before sending"):
                await channel.unary("/t.T/Upper", b"x", timeout=0.05)

    asyncio.run(main())
