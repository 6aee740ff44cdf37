"""Tools that make threads meet, for tests of code that claims to be safe for them.

Imports nothing outside the standard library, ever: it may test whatever stands on it.
"""

from ftstress.barrier import BarrierTimeoutError, SpinBarrier
from ftstress.parallel import run_parallel

__all__ = ["BarrierTimeoutError", "SpinBarrier", "run_parallel"]
