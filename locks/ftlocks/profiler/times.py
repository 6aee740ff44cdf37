"""Times as people write them on a command line. Must never guess a unit."""

import re
from typing import Final

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def seconds(text: str) -> float:
    """``10us``, ``2ms``, ``0.5s``; `ValueError` for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s)\s*", text)
    if found is None:
        raise ValueError(f"cannot read {text!r} as a time: write it like 10us, 2ms or 0.5s")
    return float(found[1]) * _UNITS[found[2]]
