"""Tools that make threads meet, for tests of code that claims to be safe for them.

Imports nothing but the standard library and `ftlocks`: it may test whatever else there is.
"""

from ftlocks.spin import BarrierTimeoutError, SpinBarrier
from ftstress.parallel import run_parallel

__all__ = ["BarrierTimeoutError", "SpinBarrier", "run_parallel"]
