"""Adapters and functions that the tests compare."""

import threading
import time

from ftbridge import BaseAdapter, StreamChunk, ThreadSafeAdapter, tool


def double(number: int, times: int = 1) -> int:
    return number * 2 * times


def failing() -> None:
    raise LookupError("nothing here")


not_callable = 3
LOCK = threading.Lock()


def locked() -> int:
    with LOCK:
        return sum(range(2000))


def asleep() -> None:
    with LOCK:
        time.sleep(0.002)


class Counting(ThreadSafeAdapter):
    __thread_safe__ = True
    __examples__ = (("count", {"to": 3}), ("add", {"a": 1}))
    made = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).made += 1
        self.seen: list[object] = []

    @tool
    def add(self, a: int, b: int = 1) -> int:
        self.seen.append(a + b)
        return a + b

    @tool(supports_streaming=True)
    def count(self, to: int):
        for each in range(to):
            self.seen.append(each)
            yield StreamChunk({"i": each}, is_final=each == to - 1)


class Unsafe(BaseAdapter):
    @tool
    def add(self, a: int) -> int:
        return a
