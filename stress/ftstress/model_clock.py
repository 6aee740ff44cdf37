"""`time` under a schedule: the clock moves with the steps, and a sleep costs nothing.

Must never read a real clock for a controlled thread.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from ftstress import control

_REAL_TIME: Final = {
    name: getattr(time, name)
    for name in (
        *("sleep", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
        *("time", "time_ns"),
    )
}
# What `time.time()` says at the beginning of a run: the same in each, and no real moment.
_EPOCH_NS: Final = 1_700_000_000 * 10**9


def sleep(seconds: float) -> None:
    """`time.sleep`; of zero seconds: let the others go first."""
    if control.me() is None:
        _REAL_TIME["sleep"](seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    task = control.point("sleep")
    assert task is not None
    control.block(task, _never, seconds, f"{seconds:g} s to pass" if seconds else "yield")


def _never() -> bool:
    return False


def _clock(name: str, from_ns: Callable[[int], float]) -> Callable[[], float]:
    real: Callable[[], float] = _REAL_TIME[name]

    def clock() -> float:
        task = control.me()
        if task is None:
            return real()
        run = control.run()
        run.clock_ns += control.STEP_NS  # no two readings are the same
        return from_ns(run.clock_ns)

    clock.__name__ = name
    return clock


CLOCKS: Final = {
    "monotonic": _clock("monotonic", lambda ns: ns / 1e9),
    "monotonic_ns": _clock("monotonic_ns", lambda ns: ns),
    "perf_counter": _clock("perf_counter", lambda ns: ns / 1e9),
    "perf_counter_ns": _clock("perf_counter_ns", lambda ns: ns),
    "time": _clock("time", lambda ns: (_EPOCH_NS + ns) / 1e9),
    "time_ns": _clock("time_ns", lambda ns: _EPOCH_NS + ns),
}


def real_clocks() -> dict[str, Any]:
    """The functions of `time` that `CLOCKS` and `sleep` stand for."""
    return dict(_REAL_TIME)
