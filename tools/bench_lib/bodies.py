"""Requests as files, which h2load reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .workloads import Workload


@dataclass(frozen=True, slots=True)
class Bodies:
    """Each workload's request in a file of this folder, written when first asked for."""

    folder: Path

    def of(self, workload: Workload) -> Path:
        file = self.folder / workload.name
        if not file.exists():
            file.write_bytes(workload.body())
        return file
