"""How many operations a second a workload does in this process, on some threads.

Must never decide what a figure means: `ftstress.scaling` does.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import ftlocks
from ftlocks.profiler.report import Profile
from ftlocks.spin import SpinBarrier
from ftstress.workload import Workload

# Seconds of a batch of operations: the clock is looked at between two of them.
_BATCH_SECONDS: Final = 0.002


@dataclass(frozen=True, slots=True)
class Figure:
    """Operations a second: on one object that all threads share, or on one each."""

    threads: int
    is_shared: bool
    rate: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a profile saw of locks: the share of all threads' time that was spent waiting, from 0
    to 1, and the locks that most of it was for."""

    share: float
    locks: tuple[tuple[str, float], ...]


class _Worker:
    def __init__(
        self, make: Callable[[], Workload], barrier: SpinBarrier, batch: int, seconds: float
    ) -> None:
        self._make = make
        self._barrier = barrier
        self._batch = batch
        self._seconds = seconds
        self.operations = 0
        self.started = self.ended = 0.0
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            work = self._make().run
            batch = range(self._batch)
            self._barrier.wait()
            self.started = now = time.perf_counter()
            end = now + self._seconds
            operations = 0
            while now < end:
                for _ in batch:
                    work()
                operations += self._batch
                now = time.perf_counter()
            self.operations, self.ended = operations, now
        except BaseException as error:  # noqa: BLE001  # raised by whoever waits for the threads
            self.error = error
            self._barrier.abort()


def measure(workload: type[Workload], threads: int, is_shared: bool, seconds: float) -> Figure:
    """Run it for so many seconds. Raises what the workload raises."""
    batch = _batch(workload)
    shared = workload()
    # An object of a thread's own is made on that thread: what another has made costs more to use.
    make: Callable[[], Workload] = (lambda: shared) if is_shared else workload
    barrier = SpinBarrier(threads, None)
    workers = [_Worker(make, barrier, batch, seconds) for _ in range(threads)]
    for worker in workers:
        worker.thread.start()
    for worker in workers:
        worker.thread.join()
    errors = [worker.error for worker in workers if worker.error is not None]
    causes = [e for e in errors if not isinstance(e, ftlocks.spin.BarrierTimeoutError)] or errors
    if causes:
        raise causes[0]
    passed = max(w.ended for w in workers) - min(w.started for w in workers)
    return Figure(threads, is_shared, sum(w.operations for w in workers) / passed)


def _batch(workload: type[Workload]) -> int:
    """Operations that take about a batch's time on one thread."""
    work = workload().run
    count = 1
    while True:
        started = time.perf_counter()
        for _ in range(count):
            work()
        passed = time.perf_counter() - started
        if passed >= _BATCH_SECONDS:
            return max(1, int(count * _BATCH_SECONDS / passed))
        count *= 4


def waiting(workload: type[Workload], threads: int, seconds: float) -> Waiting:
    """Profile the locks of `threads` threads on one object. Those of `threading` are seen where
    an `Instrumentation` was installed before they were made."""
    with ftlocks.profile(events=0) as profiling:
        measure(workload, threads, True, seconds)
    report: Profile = profiling.report()
    everything = threads * seconds * 1e9
    locks = [(lock.label, lock.waiting_ns / everything) for lock in report.locks if lock.waiting_ns]
    return Waiting(min(1.0, report.waiting_ns / everything), tuple(locks[:3]))
