"""The tools of `tools/bench tools` that are more than `work`'s loops.

Apart from `work`, because numpy and the example's analysis are nothing that a server of small calls
should load. Must never import a transport: a server under test imports it.
"""

from __future__ import annotations

import functools
import json.decoder
import threading
import time
from pathlib import Path

import numpy as np

from ftbridge.examples.analysis import analyse

from .work import spin

_SOURCE = Path(json.decoder.__file__)
_LOCK = threading.Lock()
_counts = {"hot": 0}

HOT_STEPS = 10
"""Times that a call takes the lock."""

HOT_SPIN = 60
"""Steps of a loop before each: about as much work as small calls do between locks."""


@functools.cache
def _source() -> bytes:
    return _SOURCE.read_bytes()


def analysis() -> dict[str, int]:
    """The example adapter's analysis of one file of 350 lines: tokens and syntax tree."""
    return analyse(_source(), "json/decoder.py").metrics()


class _Account:
    """An object with the methods that business code has."""

    def __init__(self) -> None:
        self.balance = 0
        self.moves = 0

    def deposit(self, amount: int) -> None:
        self._move(amount)

    def withdraw(self, amount: int) -> None:
        self._move(-amount)

    def _move(self, amount: int) -> None:
        self.balance += amount
        self.moves += 1


def methods(steps: int) -> dict[str, int]:
    """Calls of methods on an object that no other thread sees."""
    account = _Account()
    for _ in range(steps):
        account.deposit(7)
        account.withdraw(5)
    return {"balance": account.balance, "moves": account.moves}


def array(size: int) -> dict[str, float]:
    """numpy's own loops, which hold no GIL on either build: sort and sum."""
    numbers = np.arange(size, dtype=np.float64)
    numbers *= 7919.0
    numbers %= 104729.0
    numbers.sort()
    return {"sum": float(numbers.sum()), "median": float(numbers[size // 2])}


def wait(milliseconds: float) -> dict[str, float]:
    """Wait, as for a database."""
    time.sleep(milliseconds / 1000)
    return {"waited": milliseconds}


def hot(steps: int) -> dict[str, int]:
    """Work a little, then take the one lock of the process; again and again."""
    for _ in range(steps):
        spin(HOT_SPIN)
        with _LOCK:
            _counts["hot"] += 1
    return {"steps": steps}
