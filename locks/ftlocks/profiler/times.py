"""Times as people write them on a command line. Must never guess a unit."""

import re
from typing import Final

_A_SECOND: Final = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0}


def seconds(text: str) -> float:
    """``10us``, ``2ms``, ``0.5s``; `ValueError` for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s)\s*", text)
    if found is None:
        raise ValueError(f"cannot read {text!r} as a time: write it like 10us, 2ms or 0.5s")
    return float(found[1]) / _A_SECOND[found[2]]
