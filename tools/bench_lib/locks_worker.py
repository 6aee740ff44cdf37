"""One round of `tools/bench locks` on one interpreter, in a process of its own; prints JSON.

    python -m tools.bench_lib.locks_worker
    python -m tools.bench_lib.locks_worker --control    # says "ready", waits for a line, one rate

Must never import a transport: it runs on both builds.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import threading
from collections.abc import Callable
from time import perf_counter_ns as clock
from time import thread_time_ns
from typing import Any

import ftlocks

CHUNK = 1000
"""Acquisitions timed in one go: some tenths of a millisecond, which often pass undisturbed."""

CHUNKS = 101
"""Of each kind, taking turns, in CPU time of the thread. Their median counts."""

SCALING_SECONDS = 0.2

WITH, WRITTEN_OUT = "with", "acquire, release"


def _with(lock: Any) -> float:
    """Nanoseconds for one `with lock: pass` and its step of the loop."""
    steps = range(CHUNK)
    began = thread_time_ns()
    for _ in steps:
        with lock:
            pass
    return (thread_time_ns() - began) / CHUNK


def _written_out(lock: Any) -> float:
    steps = range(CHUNK)
    began = thread_time_ns()
    for _ in steps:
        lock.acquire()
        lock.release()
    return (thread_time_ns() - began) / CHUNK


def _set_and_wait(event: Any) -> float:
    steps = range(CHUNK)
    began = thread_time_ns()
    for _ in steps:
        event.set()
        event.wait()
        event.clear()
    return (thread_time_ns() - began) / CHUNK


FORMS: dict[str, Callable[[Any], float]] = {
    WITH: _with,
    WRITTEN_OUT: _written_out,
    "set, wait, clear": _set_and_wait,
}
KINDS: dict[str, tuple[str, ...]] = {
    "Lock": (WITH, WRITTEN_OUT),
    "RLock": (WITH, WRITTEN_OUT),
    "Condition": (WITH, WRITTEN_OUT),
    "Semaphore": (WITH,),
    "BoundedSemaphore": (WITH,),
    "Event": ("set, wait, clear",),
}
"""What has a counterpart in `threading`, and how it is used."""

PROFILED = ("Lock", "RLock", "Condition")


def uncontended() -> dict[str, float]:
    """Nanoseconds by kind, form and state of the profile ("ftlocks.Lock, with, profiled")."""
    cases = [
        (f"{module.__name__}.{kind}, {form}", FORMS[form], getattr(module, kind)())
        for kind, forms in KINDS.items()
        for form in forms
        for module in (threading, ftlocks)
    ]
    shared, keyed = ftlocks.RWLock("shared"), ftlocks.KeyedLock[int]("keyed")
    cases += [
        (f"ftlocks.{name}, {WITH}", _with, side)
        for name, side in (
            ("RWLock.read", shared.read()),
            ("RWLock.write", shared.write()),
            ("StripedLock", ftlocks.StripedLock[int](16, "striped")[1]),
        )
    ]
    cases.append((f"ftlocks.KeyedLock, {WRITTEN_OUT}", _keyed, keyed))
    watched = [
        case for case in cases if case[0].startswith(tuple(f"ftlocks.{k}," for k in PROFILED))
    ]
    times: dict[str, list[float]] = {}

    for _ in range(CHUNKS):
        for name, chunk, lock in cases:
            times.setdefault(name, []).append(chunk(lock))
        # Started for each turn, so that bare and profiled chunks are neighbours in time.
        with ftlocks.profile():
            for name, chunk, lock in watched:
                chunk(lock)  # the first acquisitions of a lock are timed more often than later
                times.setdefault(f"{name}, profiled", []).append(chunk(lock))
    return {name: statistics.median(found) for name, found in times.items()}


def _keyed(lock: Any) -> float:
    steps = range(CHUNK)
    began = thread_time_ns()
    for _ in steps:
        lock.acquire(7)
        lock.release(7)
    return (thread_time_ns() - began) / CHUNK


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


def control() -> int:
    """Print the additions a second of one thread under a lock that no other process knows."""
    cell = _Cell(ftlocks.Lock("own"))
    print("ready", flush=True)
    sys.stdin.readline()
    print(_rate(lambda _: cell.step, 1), flush=True)
    return 0


def main() -> int:
    """Print one round."""
    if "--control" in sys.argv[1:]:
        return control()
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
