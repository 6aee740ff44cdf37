"""Run functions at the same moment, each on a thread of its own, and hear of every failure.

A plain `Thread` reports an exception to stderr only and a hang not at all; a test that uses it can
pass although half of it failed. Must never be used to serve anything: it starts threads per call.
"""

import threading
import time
from collections.abc import Callable

from ftlocks.spin import BarrierTimeoutError, SpinBarrier


class _Runner[T]:
    """One function's thread: what it returned in each round, or what stopped it."""

    __slots__ = ("barrier", "error", "function", "results", "rounds", "thread", "waiting")

    def __init__(
        self, function: Callable[[], T], barrier: SpinBarrier, rounds: int, name: str
    ) -> None:
        self.function = function
        self.barrier = barrier
        self.rounds = rounds
        self.results: list[T] = []
        self.error: BaseException | None = None
        self.waiting = False
        # A daemon, so that a hung function fails its test and not the interpreter's exit.
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        try:
            for _ in range(self.rounds):
                self.waiting = True
                self.barrier.wait()
                self.waiting = False
                self.results.append(self.function())
        except BaseException as error:  # noqa: BLE001  # reported by run_parallel, all of it
            self.error = error
            self.barrier.abort()  # the others would wait for this one in the next round


def run_parallel[T](
    *functions: Callable[[], T], rounds: int = 1, timeout: float | None = 30.0
) -> list[T]:
    """Call all functions at once, each on its own thread, behind a spinning barrier.

    With `rounds`, each thread calls its function that many times and all meet at the barrier
    before every round. Returns the results in the order of the functions, round after round
    (``rounds * len(functions)`` of them).

    Happens-before: what the caller did before happens before every function starts; a round
    happens before the next one; all functions happen before the return.

    Args:
        timeout: seconds for everything together; None waits for ever.

    Raises:
        ExceptionGroup: of everything that the functions raised (a `BaseExceptionGroup` when that
            holds more than Exceptions).
        TimeoutError: names the threads that had not ended in time; they are left running, as
            daemons. What others raised before is its ``__cause__``.
    """
    if not functions:
        raise ValueError("run_parallel() needs at least one function to run")
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds!r}")
    barrier = SpinBarrier(len(functions), timeout)
    runners = [
        _Runner(function, barrier, rounds, f"parallel-{index}-{_name(function)}")
        for index, function in enumerate(functions)
    ]
    limit = None if timeout is None else time.monotonic() + timeout
    for runner in runners:
        runner.thread.start()
    for runner in runners:
        runner.thread.join(None if limit is None else max(0.0, limit - time.monotonic()))
    # Who waits at the barrier waits for one that is late, and ends as soon as it breaks.
    late = [r.thread.name for r in runners if r.thread.is_alive() and not r.waiting]
    late = late or [r.thread.name for r in runners if r.thread.is_alive()]
    errors = [runner.error for runner in runners if runner.error is not None]
    # That a barrier broke is news only when nothing else tells why.
    causes = [error for error in errors if not isinstance(error, BarrierTimeoutError)] or errors
    group = BaseExceptionGroup("functions run in parallel failed", causes) if causes else None
    if late:
        barrier.abort()
        raise TimeoutError(f"still running after {timeout:g} s: {', '.join(late)}") from group
    if group is not None:
        raise group
    return [runner.results[number] for number in range(rounds) for runner in runners]


class _Plain[T]:
    """One function's thread, for `together`."""

    def __init__(self, function: Callable[[], T]) -> None:
        self.__name__ = _name(function).rpartition(".")[2]  # what schedules call the thread
        self.function = function
        self.results: list[T] = []
        self.error: Exception | None = None

    def __call__(self) -> None:
        try:
            self.results.append(self.function())
        except Exception as error:  # noqa: BLE001  # raised again by together
            self.error = error


def together[T](*functions: Callable[[], T]) -> list[T]:
    """Call each function on a thread of its own and wait for all; what they returned, in order.

    Just starts and joins, for tests whose threads a schedule controls or a race detector watches;
    with `run_parallel` they also meet and have a time limit.

    Raises:
        Exception: what one of them raised; an ExceptionGroup where several did.
    """
    calls = [_Plain(function) for function in functions]
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [call.error for call in calls if call.error is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("functions that ran together failed", errors)
    return [result for call in calls for result in call.results]


def _name(function: Callable[[], object]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
