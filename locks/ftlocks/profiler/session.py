"""`profile()`: the contention profile as a block, or as something to start and stop.

Must never be on the way of a lock: all it does is to add an observer and to remove it.
"""

import sys
from collections.abc import Iterable
from time import perf_counter_ns as clock
from types import TracebackType
from typing import Final, Self

from ftlocks import _hooks
from ftlocks.profiler.building import build, lock_reports
from ftlocks.profiler.experiment import Experiments
from ftlocks.profiler.recorder import Recorder
from ftlocks.profiler.report import LockReport, Profile
from ftlocks.profiler.whatif import Injection, Injector, Progress

# One uncontended hold in so many is timed: with it the cost of being profiled, measured by
# `tools/bench locks`, is dominated by the counting itself.
SAMPLE: Final = 512
DEPTH: Final = 24
EVENTS: Final = 10_000


class Profiling:
    """A running contention profile; made by `profile()`, use it in a `with` block.

    `report()` may be asked for at any time, by any thread, while it runs and afterwards.
    """

    def __init__(
        self,
        *,
        sample: int,
        threshold: float,
        depth: int,
        events: int,
        title: str,
        inject: Iterable[Injection] = (),
        progress: Progress | None = None,
        window: float = 0.0,
    ) -> None:
        if threshold < 0:
            raise ValueError(f"threshold must not be negative, got {threshold!r} s")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth!r}")
        if events < 0:
            raise ValueError(f"events must not be negative, got {events!r}")
        if sample < 1:
            raise ValueError(f"sample must be at least 1, got {sample!r}")
        if window < 0:
            raise ValueError(f"window must not be negative, got {window!r} s")
        self._sample = sample
        self._injector = Injector(inject)
        self._experiments = (
            Experiments(self._injector, progress, window_ns=int(window * 1e9))
            if self._injector.targets
            else None
        )
        self._depth = depth
        self._title = title or program()
        self._recorder = Recorder(threshold_ns=int(threshold * 1e9), depth=depth, events=events)
        self._started_ns = 0
        self._ended_ns = 0
        self.notes: list[str] = []  # to be told in the report

    def start(self) -> None:
        """Begin. `RuntimeError` when it has begun before: make another one."""
        if self._started_ns:
            raise RuntimeError("this profile has been started before; ftlocks.profile() makes one")
        self._started_ns = clock()
        _hooks.add_observer(self._recorder, sample=self._sample)
        if self._experiments is not None:
            _hooks.add_observer(self._injector, sample=self._sample)
            self._experiments.start()

    def stop(self) -> None:
        """End; no error when it has ended before."""
        if self._experiments is not None:
            self._experiments.stop()
            _hooks.remove_observer(self._injector)
        _hooks.remove_observer(self._recorder)
        if not self._ended_ns:
            self._ended_ns = clock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def locks(self) -> tuple[LockReport, ...]:
        """The locks of `report()`, without the timeline: cheaper, to be asked for often."""
        return lock_reports(self._recorder.buffers(), self._depth)

    def report(self) -> Profile:
        """What was found so far, or between start and stop."""
        return build(
            self._recorder.buffers(),
            title=self._title,
            started_ns=self._started_ns,
            ended_ns=self._ended_ns or clock(),
            sample=self._sample,
            threshold_ns=self._recorder.threshold_ns,
            depth=self._depth,
            what_if=self._experiments.results() if self._experiments is not None else (),
            notes=self.notes,
        )


def profile(
    *,
    sample: int = SAMPLE,
    threshold: float = 0.0,
    depth: int = DEPTH,
    events: int = EVENTS,
    title: str = "",
    inject: Iterable[Injection] = (),
    progress: Progress | None = None,
    window: float = 0.0,
) -> Profiling:
    """A contention profile of all locks of this package, for the length of a block::

        with ftlocks.profile() as run:
            work()
        print(run.report().table())
        run.report().write("locks.html")

    Every wait for a lock is recorded, with the stacks of the one who waited and of the one who let
    go; of the holds that nobody waited for, a sample is. Records are made after a lock is free
    again, into a buffer of the thread's own. Reentrant acquisitions are none; the wait in a
    condition, for an event, a permit or an item is told apart and is no contention.

    Args:
        sample: one of how many uncontended holds to time; 1 for all.
        threshold: waits shorter than this many seconds are only counted.
        depth: frames to keep of a call stack.
        events: stretches of time to keep for each thread's timeline; the oldest go first.
        title: what the report is about; by default, the program.
        inject: locks to slow down, in windows of time that alternate with undisturbed ones, to see
            how much less is done meanwhile (`Profile.what_if`). A lock among them costs as much as
            with a lock-order checker, in both sorts of windows.
        progress: what counts as done; by default, of each of these locks its acquisitions.
        window: seconds of each window; 0 begins with 0.02 and takes longer ones, up to a second,
            where less than 100 units are done in it.
    """
    return Profiling(
        sample=sample,
        threshold=threshold,
        depth=depth,
        events=events,
        title=title,
        inject=inject,
        progress=progress,
        window=window,
    )


def program() -> str:
    """How this process was started, in a word."""
    return " ".join(sys.orig_argv[1:]) or "python"
