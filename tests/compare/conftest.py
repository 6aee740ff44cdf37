"""A comparison made by hand, with whatever figures a test needs."""

from __future__ import annotations

from typing import Any

import pytest

from ftbridge.compare.result import FREE, GIL, Comparison
from ftbridge.compare.target import Job
from ftstress.machine import Control
from ftstress.scaling import Series


def made(
    *,
    free: tuple[float, float, float] = (90.0, 171.0, 175.0),
    gil: tuple[float, float] = (100.0, 98.0),
    processes: float = 178.0,
    control: float = 1.95,
    **others: Any,
) -> Comparison:
    """`free`: passes a second of one thread, of two on one instance, of two on an instance each."""
    one, shared, own = free
    fields: dict[str, Any] = {
        "job": Job("pkg.mod:Adapter", ('work {"n": 1}',)),
        "builds": {FREE: "CPython 3.13.5 free-threaded", GIL: "CPython 3.13.5 with the GIL"},
        "samples": ('work {"n": 1}',),
        "control": Control((control,) * 3),
        "free": Series({(1, False): [one] * 3, (2, True): [shared] * 3, (2, False): [own] * 3}),
        "gil": Series({(1, False): [gil[0]] * 3, (2, True): [gil[1]] * 3, (2, False): [99.0] * 3}),
        "processes": (processes,) * 3,
        "memory": {FREE: 50 << 20, GIL: 40 << 20},
        "cores": {FREE: 1.0, GIL: 1.0},
        "gil_on": False,
        "gil_modules": (),
        "waiting": 0.0,
        "locks": (),
        "functions": (),
        "cpu_samples": 0,
        "rounds": 3,
        "seconds": 0.5,
    }
    return Comparison(**(fields | others))


@pytest.fixture
def make():
    return made
