"""Tools that make threads meet, and find the races of code that claims to be safe for them.

Imports nothing but the standard library and `ftlocks`: it may test whatever else there is.
`python -m ftstress run program.py` looks for races in a program; `ftstress.detection.detecting()`
does in a block (docs/races.md). `explore()` runs a test under many schedules of its threads
(docs/schedules.md).

A name's module is imported when the name is used: the pytest plugin is loaded in every test run
where this package is installed, and all of it would take as long to import as pytest itself.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftlocks.spin import BarrierTimeoutError, SpinBarrier
    from ftstress.control import UncontrolledError
    from ftstress.dpor import DPOR
    from ftstress.exploration import Exploration, Replay, ScheduleFailure, explore, replay
    from ftstress.importing import Instrumented, instrument, instrumented
    from ftstress.parallel import run_parallel, together
    from ftstress.schedule import ReplayDivergedError, Schedule, ScheduleFormatError
    from ftstress.strategies import PCT, BoundedDFS, NondeterminismError, RandomWalk, Strategy
    from ftstress.tasks import Failure
    from ftstress.workload import Workload

# The same as above, for the interpreter.
_HOMES = {
    "ftlocks.spin": ("BarrierTimeoutError", "SpinBarrier"),
    "ftstress.control": ("UncontrolledError",),
    "ftstress.dpor": ("DPOR",),
    "ftstress.exploration": ("Exploration", "Replay", "ScheduleFailure", "explore", "replay"),
    "ftstress.importing": ("Instrumented", "instrument", "instrumented"),
    "ftstress.parallel": ("run_parallel", "together"),
    "ftstress.schedule": ("ReplayDivergedError", "Schedule", "ScheduleFormatError"),
    "ftstress.strategies": ("PCT", "BoundedDFS", "NondeterminismError", "RandomWalk", "Strategy"),
    "ftstress.tasks": ("Failure",),
    "ftstress.workload": ("Workload",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DPOR",
    "PCT",
    "BarrierTimeoutError",
    "BoundedDFS",
    "Exploration",
    "Failure",
    "Instrumented",
    "NondeterminismError",
    "RandomWalk",
    "Replay",
    "ReplayDivergedError",
    "Schedule",
    "ScheduleFailure",
    "ScheduleFormatError",
    "SpinBarrier",
    "Strategy",
    "UncontrolledError",
    "Workload",
    "explore",
    "instrument",
    "instrumented",
    "replay",
    "run_parallel",
    "together",
]

if not TYPE_CHECKING:  # or every name would be known to a type checker

    def __getattr__(name: str) -> Any:
        try:
            module = _HOME[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        found = globals()[name] = getattr(import_module(module), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
