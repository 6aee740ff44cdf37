"""A profile made by hand."""

import pytest

from ftbridge.cpuprofile import CpuProfile, CpuStack
from ftlocks._sites import Frame

MS = 1_000_000
MAIN = Frame("<module>", "/home/a/run.py", 9)


@pytest.fixture
def profile() -> CpuProfile:
    """60 ms in `hot` on two lines and two threads, 30 ms in `<cold & "wet">`, 10 ms unknown."""
    hot3, hot4 = Frame("hot", "/home/a/run.py", 3), Frame("hot", "/home/a/run.py", 4)
    cold = Frame('<cold & "wet">', "/usr/lib/python3.13/json/__init__.py", 7)
    return CpuProfile(
        title="run.py <1>",
        sampler="ftbridge",
        interpreter="CPython 3.13.5, free-threaded, GIL off",
        rate=100.0,
        duration_ns=80 * MS,
        cpu_ns=100 * MS,
        stacks=(
            CpuStack("main", (MAIN, hot3), 40 * MS, 4),
            CpuStack("main", (MAIN, hot3, cold), 30 * MS, 3),
            CpuStack("worker; 1", (hot4, hot4), 20 * MS, 2),
        ),
        notes=("said here",),
    )
