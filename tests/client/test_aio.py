"""`AsyncClient` against a server on a socket: as `Client`, and the event loop never waits."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from client.served import MEETING, WAIT, Served

import ftbridge
from ftbridge.client import (
    NO_RETRIES,
    AsyncClient,
    DeadlineExceededError,
    RetryPolicy,
    ToolError,
    UnavailableError,
)

QUICK = RetryPolicy(attempts=2000, first_pause=0.0, longest_pause=0.01)


def run(served: Served, use: Callable[[AsyncClient], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with AsyncClient(served.address, **{"timeout": WAIT, **options}) as client:
            return await use(client)

    return asyncio.run(main())


async def in_thread(wait: Callable[..., Any], **options: Any) -> None:
    assert await asyncio.to_thread(wait, **options)


def test_it_is_a_public_name() -> None:
    assert ftbridge.AsyncClient is AsyncClient


def test_calls_sessions_tools_and_streams(served: Served) -> None:
    async def use(client: AsyncClient) -> None:
        assert await client.call("echo", value={"a": [1, None]}) == {"a": [1, None]}
        assert await client.call("echo", {"value": b"\xff"}) == b"\xff"
        assert (await client.tools())["echo"].idempotent
        assert await client.ping() < WAIT
        async with client.session(metadata={"k": "v"}) as session:
            seen = await session.call("whoami", correlation_id="c-1")
            assert seen["session"] == session.session_id
            assert seen["session_metadata"] == {"k": "v"}
            assert seen["correlation"] == "c-1"
            assert "echo" in await session.tools()
            assert [n async for n in session.stream("count", n=3)] == [0, 1, 2]
        assert served.server.service.sessions.get(session.session_id) is None
        chunks = [chunk async for chunk in client.chunks("count", n=1)]
        assert [(c.data, c.is_final) for c in chunks] == [(0, False), (None, True)]

    run(served, use)


def test_arrays_both_ways(served: Served) -> None:
    array = np.arange(30_000, dtype="<i4").reshape(100, 300)

    async def use(client: AsyncClient) -> None:
        back = await client.call("echo", value=array)
        assert np.array_equal(back, array)
        assert not back.flags.writeable
        small, large = [item async for item in client.stream("arrays")]
        assert small.tolist() == [1, 2]
        assert large.shape == (100, 100)

    run(served, use)


def test_errors(served: Served) -> None:
    async def use(client: AsyncClient) -> None:
        with pytest.raises(ToolError, match="KeyError: 'x'"):
            await client.call("fail", message="x")
        stream = client.stream("broken")
        assert await anext(stream) == 1
        with pytest.raises(ToolError, match="half-way"):
            await anext(stream)
        with pytest.raises(DeadlineExceededError):
            await client.call("until_cancelled", timeout=1.0)
        await in_thread(MEETING.ended.wait, timeout=WAIT)

    run(served, use)


def test_many_calls_at_once_without_a_thread_each(served: Served) -> None:
    async def use(client: AsyncClient) -> None:
        await client.ping()
        before = threading.active_count()
        calls = [asyncio.ensure_future(client.call("echo", value=n)) for n in range(300)]
        most = 0
        while not all(call.done() for call in calls):
            most = max(most, threading.active_count())
            await asyncio.sleep(0)
        assert [await call for call in calls] == list(range(300))
        # The server in this process may start its own handlers meanwhile, a handful.
        assert most - before < 20

    run(served, use)


def test_the_loop_goes_on_while_calls_wait(served: Served) -> None:
    async def use(client: AsyncClient) -> None:
        call = asyncio.ensure_future(client.call("block", value="done"))
        await in_thread(MEETING.entered.acquire, timeout=WAIT)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not call.done()
        MEETING.release.set()
        assert await call == "done"

    run(served, use)


def test_the_loop_goes_on_while_it_connects() -> None:
    """A listener that never accepts: its queue is full, and connecting hangs."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)

        async def main() -> None:
            client = AsyncClient(f"127.0.0.1:{address[1]}", retry=NO_RETRIES)
            call = asyncio.ensure_future(client.call("echo", timeout=0.5))
            steps = 0
            while not call.done():
                steps += 1
                await asyncio.sleep(0.001)
            assert steps > 10
            with pytest.raises(DeadlineExceededError):
                await call

        asyncio.run(main())
        for sock in waiting:
            sock.close()


def test_cancelling_a_task_cancels_its_call(served: Served) -> None:
    async def use(client: AsyncClient) -> None:
        call = asyncio.ensure_future(client.call("until_cancelled"))
        await in_thread(MEETING.entered.acquire, timeout=WAIT)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await in_thread(MEETING.ended.wait, timeout=WAIT)

    run(served, use)


@pytest.mark.parametrize("method", ["stream", "chunks"])
def test_closing_a_stream_cancels_the_call(served: Served, method: str) -> None:
    async def use(client: AsyncClient) -> None:
        async with aclosing(getattr(client, method)("endless")) as stream:
            async for _ in stream:
                break
        await in_thread(MEETING.ended.wait, timeout=WAIT)

    run(served, use)


def test_closing_the_client_ends_its_calls(served: Served) -> None:
    async def use(client: AsyncClient) -> None:
        call = asyncio.ensure_future(client.call("until_cancelled"))
        await in_thread(MEETING.entered.acquire, timeout=WAIT)
        await client.close()
        with pytest.raises(UnavailableError):
            await call
        with pytest.raises(UnavailableError, match="closed"):
            await client.call("echo", idempotent=False)

    run(served, use)


def test_one_client_for_two_loops(served: Served) -> None:
    client = AsyncClient(served.address, timeout=WAIT)
    wrong: list[object] = []

    async def calls(n: int) -> None:
        found = await asyncio.gather(*[client.call("echo", value=(n * 100) + i) for i in range(50)])
        if found != [n * 100 + i for i in range(50)]:
            wrong.append(found)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(calls(n))) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    asyncio.run(client.close())
    assert wrong == []


@pytest.mark.parametrize("known", [True, False], ids=["known", "asked once it is back"])
def test_an_idempotent_tool_is_tried_until_the_server_is_back(own: Served, known: bool) -> None:
    async def use(client: AsyncClient) -> None:
        assert await client.call("echo", value=1) == 1
        if known:
            await client.tools()
        await asyncio.to_thread(own.stop)
        with pytest.raises(UnavailableError):
            await client.call("echo", value=2, idempotent=False)
        call = asyncio.ensure_future(client.call("echo", value=3))
        await asyncio.sleep(0)
        await asyncio.to_thread(own.restart)
        assert await call == 3
        with pytest.raises(ToolError):  # marked or not, a tool's own failure is final
            await client.call("fail")

    run(own, use, retry=QUICK)


def test_a_tool_that_is_not_marked_is_not_tried_again(own: Served) -> None:
    async def use(client: AsyncClient) -> None:
        await client.tools()
        await asyncio.to_thread(own.stop)
        with pytest.raises(UnavailableError):
            await client.call("fail")

    run(own, use, retry=RetryPolicy(attempts=9, first_pause=3600.0, longest_pause=3600.0))
