"""Tools that make threads meet, and find the races of code that claims to be safe for them.

Imports nothing but the standard library and `ftlocks`: it may test whatever else there is.
`python -m ftstress run program.py` looks for races in a program; `ftstress.detection.detecting()`
does in a block (docs/races.md).
"""

from ftlocks.spin import BarrierTimeoutError, SpinBarrier
from ftstress.importing import Instrumented, instrument, instrumented
from ftstress.parallel import run_parallel

__all__ = [
    "BarrierTimeoutError",
    "Instrumented",
    "SpinBarrier",
    "instrument",
    "instrumented",
    "run_parallel",
]
