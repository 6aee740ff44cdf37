"""Adapters to be hammered: each with one mistake, and one without."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from random import Random
from typing import ClassVar

from ftbridge import StreamChunk, ThreadSafeAdapter, tool
from ftbridge.hammer import invariant


class Shop(ThreadSafeAdapter):
    """Nothing is wrong with it."""

    __thread_safe__ = True
    __expected_errors__ = ("SoldOutError",)

    def __init__(self) -> None:
        self.left = 1_000
        self.sold = 0

    def setup(self) -> None:
        self.open = True

    def teardown(self) -> None:
        self.open = False

    @tool
    def sell(self, count: int) -> int:
        with self.acquire_lock():
            if not 0 <= count <= self.left:
                raise SoldOutError(count)
            self.left -= count
            self.sold += count
            return self.left

    @tool(metadata={"deterministic": "true"})
    def price(self, name: str, pieces: int = 1) -> int:
        return len(name) * pieces

    @tool(supports_streaming=True)
    def shelf(self) -> Iterator[StreamChunk]:
        with self.acquire_lock():
            left = self.left
        for number in range(3):
            yield StreamChunk({"number": number, "left": left})

    @invariant
    def nothing_is_lost(self) -> None:
        assert self.sold + self.left == 1_000

    @invariant
    def what_callers_saw_was_sold(self, calls) -> None:
        seen = sum(call.arguments["count"] for call in calls if call.tool == "sell" and call.ok)
        assert seen <= self.sold


class SoldOutError(Exception):
    pass


class Unlocked(ThreadSafeAdapter):
    """A counter that nothing protects."""

    __thread_safe__ = True

    def __init__(self) -> None:
        self.count = 0

    @tool
    def add(self, amount: int) -> int:
        self.count += amount
        return self.count


class Forgetful(ThreadSafeAdapter):
    """Loses what it sells, and never takes itself down."""

    __thread_safe__ = True

    def __init__(self) -> None:
        self.left, self.sold = 1_000, 0

    def setup(self) -> None:
        pass

    def teardown(self) -> None:
        raise RuntimeError("no way out")

    @tool
    def sell(self) -> None:
        with self.acquire_lock():
            self.left -= 1

    @invariant
    def nothing_is_lost(self) -> None:
        assert self.sold + self.left == 1_000, self.left


class Crossed(ThreadSafeAdapter):
    """Takes two locks in both orders."""

    __thread_safe__ = True
    __expected_errors__ = ("DeadlockError",)

    @tool
    def forward(self) -> None:
        with self.acquire_lock("left"), self.acquire_lock("right"):
            pass

    @tool
    def backward(self) -> None:
        with self.acquire_lock("right"), self.acquire_lock("left"):
            pass


class Fatal(ThreadSafeAdapter):
    """Takes the process with it."""

    __thread_safe__ = True
    __examples__ = (("die", {}),)

    @tool
    def die(self) -> None:
        os._exit(3)


class Crowded(ThreadSafeAdapter):
    """Answers one call at a time, and fails, differs or hangs where two meet."""

    __thread_safe__ = True
    release: ClassVar = threading.Event()
    both: ClassVar = threading.Barrier(2)

    @tool
    def fail(self) -> None:
        if self._meets():
            raise KeyError("missing")

    @tool(metadata={"deterministic": "true"})
    def differ(self) -> str:
        return "crowded" if self._meets() else "alone"

    @tool
    def hang(self) -> None:
        if self._meets():
            self.release.wait(30)

    def _meets(self) -> bool:
        """Whether another call is inside too; the first calls are made alone."""
        try:
            self.both.wait(0.5 if self.get_stats()["total_requests"] > 1 else 0)
        except threading.BrokenBarrierError:
            self.both.reset()
            return False
        return True


class Chosen(ThreadSafeAdapter):
    """Says itself what it is to be called with."""

    __thread_safe__ = True
    __examples__ = (("read", {"path": "a.txt"}),)

    @classmethod
    def __stress_arguments__(cls, name: str, random: Random):
        return {"number": random.randrange(10)} if name == "count" else None

    @tool
    def read(self, path: str) -> str:
        return path

    @tool
    def count(self, number: int) -> int:
        return number
