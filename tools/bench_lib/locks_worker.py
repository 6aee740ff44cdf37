"""One round of `tools/bench locks` on one interpreter, in a process of its own; prints JSON.

    python -m tools.bench_lib.locks_worker

Must never import a transport: it runs on both builds.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
from collections.abc import Callable
from time import perf_counter_ns as clock
from typing import Any

import ftlocks

CHUNK = 1500
"""Acquisitions timed in one go: a fraction of a millisecond, which often passes undisturbed."""

CHUNKS = 150
"""Of each kind, taking turns. The shortest counts: neighbours and interrupts only add."""

SCALING_SECONDS = 0.2


def _chunk(lock: Any) -> float:
    """Nanoseconds for one `with lock: pass` and its step of the loop."""
    steps = range(CHUNK)
    began = clock()
    for _ in steps:
        with lock:
            pass
    return (clock() - began) / CHUNK


def uncontended() -> dict[str, float]:
    """Nanoseconds by kind of lock and state of the profile, taking turns."""
    bare = {"threading.Lock": threading.Lock(), "threading.RLock": threading.RLock()}
    ours = {"ftlocks.Lock": ftlocks.Lock("lock"), "ftlocks.RLock": ftlocks.RLock("rlock")}
    best: dict[str, float] = {}

    def keep(name: str, value: float) -> None:
        best[name] = min(value, best.get(name, value))

    for _ in range(CHUNKS):
        for name, lock in (bare | ours).items():
            keep(name, _chunk(lock))
        # Started for each turn, so that bare and profiled chunks are neighbours in time.
        with ftlocks.profile():
            for name, lock in ours.items():
                _chunk(lock)  # the first acquisitions of a lock are timed more often than later
                keep(f"{name}, profiled", _chunk(lock))
    return best


def _rate(make: Callable[[int], Callable[[], None]], threads: int) -> float:
    """Steps a second of so many threads, each with the step that `make` gives it."""
    counts = [0] * threads
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        step = make(number)
        start.wait()
        done, until = 0, clock() + int(SCALING_SECONDS * 1e9)
        while clock() < until:
            for _ in range(100):
                step()
            done += 100
        counts[number] = done

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / SCALING_SECONDS


class _Cell:
    """A number and the lock that guards it."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.value = 0

    def step(self) -> None:
        with self.lock:
            self.value += 1


def scaling() -> dict[str, dict[str, float]]:
    """Guarded additions a second: one lock for all, one of many by key, one for each thread."""
    shared = _Cell(ftlocks.Lock("shared"))
    stripes: ftlocks.StripedLock[int] = ftlocks.StripedLock(16, "striped")
    cells = [_Cell(stripes[key]) for key in range(16)]
    counter = ftlocks.ShardedCounter()

    def striped(number: int) -> Callable[[], None]:
        turn = itertools.cycle(cells[number:] + cells[:number])
        return lambda: next(turn).step()

    ways: dict[str, Callable[[int], Callable[[], None]]] = {
        "one lock": lambda _: shared.step,
        "16 stripes": striped,
        "a shard each": lambda _: lambda: counter.add(1),
    }
    return {
        name: {str(threads): _rate(make, threads) for threads in (1, 2)}
        for name, make in ways.items()
    }


def main() -> int:
    """Print one round."""
    print(
        json.dumps(
            {
                "gil": sys._is_gil_enabled(),
                "uncontended": uncontended(),
                "scaling": scaling(),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
