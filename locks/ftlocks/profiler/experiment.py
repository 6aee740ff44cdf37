"""Runs the windows of a what-if, and says what they tell.

Windows come in pairs, one with the extra time and one without, in random order; the injections
take turns. What counts is the difference within a pair: a program does not do the same all the
time, but nearly the same in two neighbouring windows. The loss is the median over the pairs, its
interval that of the sign test, which assumes nothing about how the differences are distributed.
Must never run on a thread that `threading` knows: the program counts those.
"""

import os
import random
import weakref
from _thread import allocate_lock, start_joinable_thread
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import comb
from time import perf_counter_ns
from typing import Final, NamedTuple

from ftlocks.profiler.report import WhatIf
from ftlocks.profiler.whatif import Injector, Progress, Target

# Length of a window at first, and at most. It is doubled while less is done in it than ENOUGH.
WINDOW_NS: Final = 20_000_000
LONGEST_WINDOW_NS: Final = 1_000_000_000
ENOUGH: Final = 100
# A pair whose undisturbed window saw less than this is dropped: its ratio would be chance.
TOO_LITTLE: Final = 10
# After a switch, threads may still be in what it changed. A guess, and at least twice the time.
SETTLE_NS: Final = 2_000_000
CONFIDENCE: Final = 0.95


class Window(NamedTuple):
    """What was done in a window, how long it was, and what was injected in it."""

    done: int
    ns: int
    times: int
    spent_ns: int

    @property
    def rate(self) -> float:
        """Done in a second."""
        return self.done * 1e9 / self.ns


@dataclass(slots=True)
class Trial:
    """One injection's windows so far: pairs of one without and one with."""

    target: Target
    window_ns: int
    pairs: list[tuple[Window, Window]] = field(default_factory=list)
    dropped: int = 0


def _calm(injector_of: Callable[[], Injector | None]) -> None:
    injector = injector_of()
    if injector is not None:
        injector.turn_to(None)


class Experiments:
    """Takes turns in slowing down the locks in question, on a thread of its own.

    Args:
        progress: what is counted; None counts each lock's own acquisitions.
        window_ns: length of each window; 0 begins at `WINDOW_NS` and finds one that is enough.
        clock: monotonic, in nanoseconds.
        sleep: waits so many nanoseconds; False when it is time to stop. By default until `stop()`.
    """

    def __init__(
        self,
        injector: Injector,
        progress: Progress | None,
        *,
        window_ns: int = 0,
        clock: Callable[[], int] = perf_counter_ns,
        sleep: Callable[[int], bool] | None = None,
    ) -> None:
        self._injector = injector
        self._progress = progress
        self._adapts = not window_ns
        self.trials = tuple(Trial(each, window_ns or WINDOW_NS) for each in injector.targets)
        self._clock = clock
        self._wait = sleep or self._sleep
        self._random = random.Random(1)
        self._stopped = allocate_lock()
        self._stopped.acquire()
        self._thread: object = None

    def start(self) -> None:
        """Begin."""
        # In a child there is nobody who would end what the fork came in the middle of.
        os.register_at_fork(after_in_child=partial(_calm, weakref.ref(self._injector)))
        self._thread = start_joinable_thread(self.run, daemon=True)

    def stop(self) -> None:
        """End, also in the middle of a window, which then does not count."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopped.release()
            thread.join()  # type: ignore[attr-defined]

    def run(self) -> None:
        """Pair after pair until it is time to stop."""
        try:
            while True:
                # A lock that has not been made takes no time away from the others.
                order = [trial for trial in self.trials if trial.target.labels]
                if not order and not self._wait(WINDOW_NS):
                    return
                self._random.shuffle(order)
                for trial in order:
                    if not self._pair(trial):
                        return
        finally:
            self._injector.turn_to(None)

    def _pair(self, trial: Trial) -> bool:
        found: dict[bool, Window] = {}
        for injected in self._random.sample((False, True), 2):
            self._injector.turn_to(trial.target if injected else None)
            if not self._wait(max(SETTLE_NS, 2 * trial.target.asked.asked_ns)):
                return False
            before = self._look(trial.target)
            if not self._wait(trial.window_ns):
                return False
            after = self._look(trial.target)
            found[injected] = Window(*(b - a for a, b in zip(before, after, strict=True)))
        self._injector.turn_to(None)
        done = found[False].done
        if done < TOO_LITTLE:
            trial.dropped += 1
        else:
            trial.pairs.append((found[False], found[True]))
        if done < ENOUGH and self._adapts:
            trial.window_ns = min(2 * trial.window_ns, LONGEST_WINDOW_NS)
        return True

    def _look(self, target: Target) -> tuple[int, int, int, int]:
        count = self._progress.done if self._progress else target.acquisitions.value
        done = count()
        return done, self._clock(), target.times.value(), target.spent_ns.value()

    def _sleep(self, ns: int) -> bool:
        return not self._stopped.acquire(True, ns / 1e9)

    def results(self) -> tuple[WhatIf, ...]:
        """What the windows tell so far."""
        unit = self._progress.unit if self._progress else "acquisitions"
        return tuple(evaluated(trial, unit) for trial in self.trials)


def evaluated(trial: Trial, unit: str) -> WhatIf:
    """What one injection's windows tell."""
    pairs = list(trial.pairs)
    injected = [after for _, after in pairs]
    times = sum(each.times for each in injected)
    spent = sum(each.spent_ns for each in injected)
    losses = sorted(1 - after.rate / before.rate for before, after in pairs)
    low, high = interval(losses)
    before = _median([each.rate for each, _ in pairs])
    after = _median([each.rate for each in injected])
    done = sum(each.done for each in injected)
    return WhatIf(
        lock=trial.target.asked.lock,
        kind=trial.target.asked.kind,
        asked_ns=trial.target.asked.asked_ns,
        matched=tuple(trial.target.labels.copy()),
        unit=unit,
        acquisitions=trial.target.acquisitions.value(),
        pairs=len(pairs),
        dropped=trial.dropped,
        window_ns=trial.window_ns,
        injected_ns=spent // times if times else 0,
        per_unit=times / done if done else 0.0,
        rate=before,
        rate_injected=after,
        loss=_median(losses),
        loss_low=low,
        loss_high=high,
    )


def interval(values: list[float]) -> tuple[float, float]:
    """Between which of the sorted values their median lies, with `CONFIDENCE`; all of them if few.

    The sign test's: the k-th smallest and the k-th largest, with the largest k for which fewer than
    k of n fair coins fall on one side with a probability of at most half of what is left.
    """
    if not values:
        return (0.0, 0.0)
    n, k, tail = len(values), 0, 0.0
    while k < n // 2:
        tail += comb(n, k) / 2**n
        if tail > (1 - CONFIDENCE) / 2:
            break
        k += 1
    k = max(k, 1)
    return (values[k - 1], values[n - k])


def _median(values: list[float]) -> float:
    if not values:
        return 0.0
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2
