"""Races that somebody has looked at and found benign: by a comment in the code, or by a file.

The file is TOML; every entry needs its reason, so that the next reader need not ask:

    [[benign]]
    file = "app/stats.py"       # the end of a path, with the wildcards of fnmatch
    function = "Stats.*"        # optional: qualified name
    variable = "hits"           # optional: attribute, name or item
    reason = "an estimate is enough for the status page"
"""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from ftstress.races import Race

_KEYS = frozenset({"file", "function", "variable", "reason"})


class SuppressionError(ValueError):
    """A suppression file says something that cannot be used."""


class Suppression(NamedTuple):
    """One entry; an empty pattern matches everything."""

    file: str
    function: str
    variable: str
    reason: str

    def matches(self, race: Race) -> bool:
        """Whether either side of the race is what is meant."""
        if self.variable and not fnmatchcase(str(race.field), self.variable):
            return False
        return any(
            fnmatchcase(f"/{side.site.filename.lstrip('/')}", f"*/{self.file.lstrip('/')}")
            and (not self.function or fnmatchcase(side.site.function, self.function))
            for side in (race.first, race.second)
        )


def load(path: Path) -> list[Suppression]:
    """The entries of a file. Raises SuppressionError with what is wrong; OSError."""
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SuppressionError(f"{path}: not TOML: {error}") from error
    entries = found.pop("benign", [])
    if found or not isinstance(entries, list):
        raise SuppressionError(f"{path}: only [[benign]] tables are known, got {sorted(found)}")
    return [_entry(path, number, entry) for number, entry in enumerate(entries, 1)]


def _entry(path: Path, number: int, entry: object) -> Suppression:
    where = f"{path}: entry {number}"
    if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
        raise SuppressionError(f"{where}: must be a table of strings, got {entry!r}")
    unknown = entry.keys() - _KEYS
    if unknown:
        raise SuppressionError(f"{where}: unknown {sorted(unknown)}; known are {sorted(_KEYS)}")
    for key in ("file", "reason"):
        if not entry.get(key, "").strip():
            raise SuppressionError(f"{where}: needs a {key}")
    return Suppression(
        entry["file"], entry.get("function", ""), entry.get("variable", ""), entry["reason"]
    )


def reason(race: Race, entries: list[Suppression]) -> str | None:
    """Why a race is not to be told; None if it is."""
    if race.benign is not None:
        return race.benign
    return next((entry.reason for entry in entries if entry.matches(race)), None)
