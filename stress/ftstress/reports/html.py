"""A report as one HTML page that needs nothing else: no network, no library, no second file.

The page is `report.html` beside this module, with style and script inside; here the report is put
into it as JSON, with the source around each place, since the page is read where the source may not
be. Must never put a text from the program into the page as markup.
"""

import json
import linecache
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Final

from ftstress.findings import KINDS, Finding, Location, Report

# Lines shown before and after the one in question.
_AROUND: Final = 3
# Findings whose details go into the page; the JSON format has all.
FINDINGS: Final = 500

_MARK: Final = "__REPORT__"


def html(report: Report) -> str:
    """The page."""
    page = files("ftstress.reports").joinpath("report.html").read_text("utf-8")
    data = json.dumps(_data(report), separators=(",", ":"))
    # "</script>" in a text would end the script it stands in.
    return page.replace(_MARK, data.replace("<", "\\u003c"))


def _data(report: Report) -> dict[str, Any]:
    shown = [*report.findings, *report.benign][:FINDINGS]
    data = report.data()
    data["findings"] = data["findings"][:FINDINGS]
    data["benign"] = data["benign"][: FINDINGS - len(data["findings"])]
    data["leftOut"] = len(report.findings) + len(report.benign) - len(shown)
    data["kinds"] = KINDS
    data["buildText"] = str(report.build)
    data["exploredTexts"] = [str(part) for part in report.explored]
    data["frames"] = _frames(_places(shown))
    return data


def _places(findings: Iterable[Finding]) -> Iterable[Location]:
    for finding in findings:
        for side in finding.sides:
            yield from side.stack[:1]


def _frames(places: Iterable[Location]) -> dict[str, list[list[Any]]]:
    """Numbered lines around each place, by ``file:line``."""
    frames: dict[str, list[list[Any]]] = {}
    for place in places:
        key = f"{place.file}:{place.line}"
        if key in frames or not place.line:
            continue
        lines = linecache.getlines(place.file)
        first = max(1, place.line - _AROUND)
        frames[key] = [
            [number, lines[number - 1].rstrip("\n")]
            for number in range(first, min(len(lines), place.line + _AROUND) + 1)
        ] or [[place.line, place.code]]
    return frames
