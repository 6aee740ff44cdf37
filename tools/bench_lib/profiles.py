"""What limits a server, from what ftlocks and perf wrote. Must never import grpc."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

_PERF_LINE: Final = re.compile(r"^\s*([0-9.]+)%\s+(\S+)\s+\[[.k]\]\s+(\S+)", re.MULTILINE)


def lock_lines(profile: dict[str, Any]) -> list[tuple[str, float, int]]:
    """Locks that were waited for: label, milliseconds waited in all, waits; the worst first."""
    found = [
        (str(lock["label"]), lock["wait"]["total_ns"] / 1e6, int(lock["wait"]["count"]))
        for lock in profile.get("locks", ())
        if lock["wait"]["count"]
    ]
    return sorted(found, key=lambda lock: -lock[1])


def perf_lines(text: str) -> list[tuple[str, float]]:
    """From `perf report --sort dso,symbol`: function and file, percent."""
    return [
        (f"{symbol} ({Path(dso).name})", float(percent))
        for percent, dso, symbol in _PERF_LINE.findall(text)
    ]
