"""Runs the same few functions against each other many times, each time in another timing.

What `ftstress.litmus` and `ftstress.objects` have in common: threads that meet, for each of many
trials or only at the first of a batch, delays before the functions and at the edges of locks, and
other switch intervals where a GIL is there to be switched. The plan of a batch comes from a seed;
what the threads then do does not, because they truly run in parallel. Must never judge a result.
"""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ftlocks.spin import SpinBarrier
from ftstress import events, sync
from ftstress.parallel import run_parallel

# Seconds: what a GIL build's sweep goes through; 5 ms is the interpreter's own.
SWITCH_INTERVALS: Final = (1e-6, 1e-5, 1e-4, 5e-3)
# Turns of an empty loop, some 10 ns each: up to how many one function comes later than the others.
_SKEWS: Final = (0, 0, 10, 100, 1000)
_BATCH_SECONDS: Final = 0.03  # long enough to make the start of threads cheap, short enough to vary
_FIRST_BATCH: Final = 50
_LARGEST_BATCH: Final = 4000


class Hangs:
    """What stands for the result of a function that does not return."""

    def __repr__(self) -> str:
        return "HANGS"


HANGS: Final = Hangs()


@dataclass(frozen=True, slots=True)
class Timing:
    """How one batch is run.

    Args:
        lockstep: the threads meet before every trial, not only before the first.
        skew: turns of an empty loop that a function may be delayed by.
        chaos: delays where locks are taken and released.
        switch_interval: seconds; None where there is no GIL.
        first: which function's thread is started first.
    """

    lockstep: bool
    skew: int
    chaos: bool
    switch_interval: float | None
    first: int


def timing(choices: random.Random, functions: int, *, chaos: bool) -> Timing:
    """The next batch's, drawn from a seeded source."""
    return Timing(
        choices.random() < 0.7,
        choices.choice(_SKEWS),
        chaos and choices.random() < 0.4,
        choices.choice(SWITCH_INTERVALS) if sys._is_gil_enabled() else None,
        choices.randrange(functions),
    )


class _Dice(threading.local):
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed ^ threading.get_ident())


class Chaos(events.Sink):
    """Delays threads before they take a lock, while they have it and before they let it go.

    Most edges pass without; some give the core away, some burn a few microseconds, few sleep. As
    `rr`'s chaos mode does with priorities, it makes the rare orders common.
    """

    def __init__(self, seed: int) -> None:
        self._dice = _Dice(seed)

    def wants(self, lock: Any) -> None:
        self._delay()

    def holds(self, lock: Any, shared: bool) -> None:
        self._delay()

    def lets_go(self, lock: Any, shared: bool) -> None:
        self._delay()

    def _delay(self) -> None:
        fate = self._dice.random.random()
        if fate < 0.7:
            return
        if fate < 0.85:
            time.sleep(0)
        elif fate < 0.98:
            for _ in range(int(fate * 1e6) % 400):
                pass
        else:
            time.sleep(5e-5)


@contextmanager
def _conditions(plan: Timing, seed: int) -> Iterator[None]:
    """The process-wide part of a timing, for the length of a batch."""
    before = sys.getswitchinterval()
    if plan.switch_interval is not None:
        sys.setswitchinterval(plan.switch_interval)
    chaos = Chaos(seed)
    if plan.chaos:
        sync.install()  # only locks made from here on tell of their edges
        events.subscribe(chaos)
    try:
        yield
    finally:
        if plan.chaos:
            events.unsubscribe(chaos)
            sync.uninstall()
        sys.setswitchinterval(before)


class _Part[S]:
    """One function's way through the trials of a batch."""

    __slots__ = ("_barrier", "_delays", "_function", "_states", "results")

    def __init__(
        self,
        function: Callable[[S], object],
        states: Sequence[S],
        barrier: SpinBarrier | None,
        delays: Sequence[int],
    ) -> None:
        self._function = function
        self._states = states
        self._barrier = barrier
        self._delays = delays
        self.results: list[object] = []

    def __call__(self) -> None:
        function, barrier, results = self._function, self._barrier, self.results
        for state, delay in zip(self._states, self._delays, strict=True):
            if barrier is not None:
                barrier.wait()
            for _ in range(delay):
                pass
            try:
                result = function(state)
            except Exception as error:  # noqa: BLE001  # an outcome like any other
                result = type(error)
            results.append(result)


@dataclass(frozen=True, slots=True)
class Batch[S]:
    """What came of it.

    Args:
        trials: state and results (one a function, in their order) of each trial. An exception is
            a result by its type; `HANGS` is that of a function that had not returned in time.
        is_stuck: the last trial did not end; its threads are left behind, as daemons.
    """

    trials: list[tuple[S, tuple[object, ...]]]
    is_stuck: bool


def run_batch[S](
    make: Callable[[], S],
    functions: Sequence[Callable[[S], object]],
    size: int,
    plan: Timing,
    choices: random.Random,
    *,
    patience: float,
) -> Batch[S]:
    """Run `size` trials: make a state, then call all functions on it, each on its own thread.

    Args:
        patience: seconds for the whole batch.

    Raises:
        BaseExceptionGroup: a function raised something that is no `Exception`.
    """
    with _conditions(plan, choices.getrandbits(32)):
        states = [make() for _ in range(size)]
        barrier = SpinBarrier(len(functions), None) if plan.lockstep else None
        parts = [
            _Part(function, states, barrier, [choices.randint(0, plan.skew) for _ in states])
            for function in functions
        ]
        stuck = False
        try:
            run_parallel(*parts[plan.first :], *parts[: plan.first], timeout=patience)
        except TimeoutError:
            stuck = True
        finally:
            if barrier is not None:
                barrier.abort()  # whoever still waits there would spin for ever
    done = [list(part.results) for part in parts]
    whole = min(map(len, done))
    trials = [
        (state, results)
        for state, results in zip(states[:whole], zip(*done, strict=False), strict=True)
    ]
    if stuck:
        last = tuple(each[whole] if len(each) > whole else HANGS for each in done)
        if HANGS in last:
            trials.append((states[whole], last))
    return Batch(trials, stuck)


class Pace:
    """How large batches are to be, and when it is enough.

    Args:
        seconds: None: until `count` is reached.
        count: trials at most; None: until the time is over.
    """

    def __init__(self, seconds: float | None, count: int | None) -> None:
        if seconds is None and count is None:
            raise ValueError("a run needs a limit: a time, a number of trials, or both")
        if seconds is not None and seconds <= 0:
            raise ValueError(f"time must be above 0 s, got {seconds!r}")
        if count is not None and count < 1:
            raise ValueError(f"count must be at least 1, got {count!r}")
        self._count = count
        self._seconds = seconds
        self._started = time.perf_counter()
        self._size = _FIRST_BATCH
        self.trials = 0

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._started

    def next(self) -> int:
        """The size of the next batch; 0 when it is enough. There is always a first one."""
        if self._count is not None:
            return max(0, min(self._size, self._count - self.trials))
        assert self._seconds is not None
        return self._size if not self.trials or self.elapsed < self._seconds else 0

    def ran(self, trials: int, seconds: float) -> None:
        """A batch is over."""
        self.trials += trials
        if self._seconds is not None and self._count is not None and self.elapsed >= self._seconds:
            self._count = self.trials
        wanted = int(trials * _BATCH_SECONDS / max(seconds, 1e-6))
        self._size = max(1, min(wanted, 2 * self._size, _LARGEST_BATCH))
