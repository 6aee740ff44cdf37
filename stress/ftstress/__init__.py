"""Tools that make threads meet, and find the races of code that claims to be safe for them.

Imports nothing but the standard library and `ftlocks`: it may test whatever else there is.
`python -m ftstress run program.py` looks for races in a program; `ftstress.detection.detecting()`
does in a block (docs/races.md). `explore()` runs a test under many schedules of its threads
(docs/schedules.md).
"""

from ftlocks.spin import BarrierTimeoutError, SpinBarrier
from ftstress.control import UncontrolledError
from ftstress.dpor import DPOR
from ftstress.exploration import Exploration, Replay, ScheduleFailure, explore, replay
from ftstress.importing import Instrumented, instrument, instrumented
from ftstress.parallel import run_parallel, together
from ftstress.schedule import ReplayDivergedError, Schedule, ScheduleFormatError
from ftstress.strategies import PCT, BoundedDFS, NondeterminismError, RandomWalk, Strategy
from ftstress.tasks import Failure

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
    "explore",
    "instrument",
    "instrumented",
    "replay",
    "run_parallel",
    "together",
]
