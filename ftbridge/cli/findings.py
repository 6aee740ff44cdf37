"""What a check of `ftbridge doctor` found: a name, a verdict, a sentence.  Values only."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """How a finding bears on serving."""

    OK = "ok"
    NOTE = "note"  # worth knowing, nothing to do
    FAIL = "fail"  # wrong: `ftbridge doctor` ends with exit status 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report.  `way_out`: what to do about it, for everything that fails."""

    check: str
    verdict: Verdict
    text: str
    way_out: str = ""

    def as_json(self) -> dict[str, str]:
        """As plain JSON values."""
        document = {"check": self.check, "verdict": self.verdict.value, "text": self.text}
        if self.way_out:
            document["way_out"] = self.way_out
        return document


def ok(check: str, text: str) -> Finding:
    """As it should be."""
    return Finding(check=check, verdict=Verdict.OK, text=text)


def remark(check: str, text: str, way_out: str = "") -> Finding:
    """Worth knowing."""
    return Finding(check=check, verdict=Verdict.NOTE, text=text, way_out=way_out)


def wrong(check: str, text: str, way_out: str) -> Finding:
    """Wrong."""
    return Finding(check=check, verdict=Verdict.FAIL, text=text, way_out=way_out)
