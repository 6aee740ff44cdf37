"""Races made certain: threads meet between reading a value and replacing it.

With the lock that a test is about in place they cannot all get there, so the meeting is called
off after a moment and the test passes. `NoLock` in its place lets them meet, and the test shows
that the update is lost: it would notice a missing lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

CALLED_OFF_SECONDS = 0.2  # with a lock; only delays the test
SURE_SECONDS = 20.0  # without one; a slow machine must not look like a lock


class NoLock:
    """What a lock looks like when somebody has forgotten it."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class Meeting:
    """Where ``parties`` threads wait for each other once, or stop waiting for good."""

    def __init__(self, parties: int, *, locked: bool) -> None:
        self._barrier = threading.Barrier(parties)
        self._patience = CALLED_OFF_SECONDS if locked else SURE_SECONDS
        self._over = False

    def __call__(self) -> None:
        if not self._over:
            try:
                self._barrier.wait(self._patience)
            except threading.BrokenBarrierError:
                pass
            self._over = True


def meet_after_reading(target: Any, name: str, meeting: Meeting) -> None:
    """Have every thread that reads ``target.name`` from now on meet the others before it goes on.

    Replaces the object's class by a subclass in which the attribute is a property.
    """
    held = getattr(target, name)

    def read(_: Any) -> Any:
        value = box[0]
        meeting()
        return value

    def write(_: Any, value: Any) -> None:
        box[0] = value

    box = [held]
    cls = type(target)
    namespace = {"__slots__": (), name: property(read, write)}
    target.__class__ = type(cls.__name__, (cls,), namespace)


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each on a thread of its own; results in order, an exception as its result."""
    results: list[Any] = [None] * len(jobs)

    def run(index: int) -> None:
        try:
            results[index] = jobs[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results
