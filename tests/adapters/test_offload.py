from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from functools import partial

import pytest

from ftbridge.adapters.offload import Offload

WAIT = 20.0  # seconds; only ever used up when something is broken
VARIABLE: ContextVar[str] = ContextVar("test_offload", default="unset")


def test_work_runs_at_once_up_to_the_limit_and_in_order_beyond_it():
    offload = Offload(threads=2)
    meeting = threading.Barrier(3)
    order: list[int] = []
    ends = threading.Event()

    def last() -> None:
        order.append(2)
        ends.set()

    for _ in range(2):
        offload.submit(partial(meeting.wait, WAIT))
    offload.submit(partial(order.append, 1))
    offload.submit(last)
    assert (offload.threads, order) == (2, [])
    meeting.wait(WAIT)
    assert ends.wait(WAIT)
    assert order[-1] == 2 or sorted(order) == [1, 2]
    assert offload.threads == 2


def test_a_thread_is_kept_for_the_next_piece_of_work_and_ends_when_there_is_none():
    offload = Offload(idle=0.05)
    seen: list[threading.Thread] = []
    for _ in range(3):
        done = threading.Event()

        def note(done: threading.Event = done) -> None:
            seen.append(threading.current_thread())
            done.set()

        offload.submit(note)
        assert done.wait(WAIT)
    assert all(thread.daemon for thread in seen)
    for thread in set(seen):
        thread.join(WAIT)
        assert not thread.is_alive()
    assert offload.threads == 0


def test_what_work_raises_is_logged_and_the_thread_goes_on(caplog):
    offload = Offload(threads=1)
    done = threading.Event()
    offload.submit(partial(int, "no number"))
    offload.submit(done.set)
    assert done.wait(WAIT)
    assert "unexpected error in" in caplog.text


def test_awaiting_gives_the_outcome_and_keeps_the_loop_free():
    offload = Offload()
    go = threading.Event()

    async def main() -> tuple[object, object]:
        VARIABLE.set("mine")
        waiting = asyncio.create_task(offload.run(partial(go.wait, WAIT)))
        seen = await offload.run(VARIABLE.get)  # the loop is not blocked by the other one
        go.set()
        return await waiting, seen

    assert asyncio.run(main()) == (True, "mine")


@pytest.mark.parametrize(
    ("raised", "awaited"), [(KeyError("k"), KeyError), (StopIteration(1), RuntimeError)]
)
def test_awaiting_raises_what_the_work_raises(raised, awaited):
    def fail() -> None:
        raise raised

    with pytest.raises(awaited):
        asyncio.run(Offload().run(fail))


def test_an_outcome_that_nobody_awaits_any_more_is_dropped():
    offload = Offload(threads=1)
    entered, go = threading.Event(), threading.Event()

    def work() -> None:
        entered.set()
        go.wait(WAIT)

    async def main() -> None:
        task = asyncio.create_task(offload.run(work))
        await asyncio.get_running_loop().run_in_executor(None, entered.wait, WAIT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    go.set()  # its loop is closed by now
    done = threading.Event()
    offload.submit(done.set)
    assert done.wait(WAIT)
