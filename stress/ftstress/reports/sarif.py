"""A report as SARIF 2.1.0 (OASIS standard), which editors and code hosts show beside the code.

A finding is a result; its sides are the thread flows of a code flow (section 3.37), a schedule's
steps carry their execution order (3.38.11), and a reason for leaving it is a suppression (3.35).
"""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ftstress.findings import KINDS, Finding, Location, Report, ScheduleTable, Side

_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT: Final = "SRCROOT"  # the usual name of a project's folder in `originalUriBaseIds`


def sarif(report: Report) -> str:
    """The log file, with paths relative to the present folder where they lie in it."""
    folder = Path.cwd()
    results = [*report.findings, *report.benign]
    kinds = list(dict.fromkeys(finding.kind for finding in results))
    notes = [_notification(doubt, "error") for doubt in report.doubts]
    notes += [_notification(f"A pass does not mean: {text}", "note") for text in report.not_proved]
    driver: dict[str, Any] = {
        "name": "ftstress",
        "rules": [
            {
                "id": kind,
                "name": "".join(word.capitalize() for word in kind.split("-")),
                "shortDescription": {"text": KINDS[kind][0]},
                "fullDescription": {"text": KINDS[kind][1]},
                "defaultConfiguration": {"level": "error"},
                "properties": {"tags": ["concurrency", "free-threading"]},
            }
            for kind in kinds
        ],
    }
    try:
        driver["version"] = version("ftbridge")
    except PackageNotFoundError:
        pass  # run from a source tree
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {_ROOT: {"uri": f"{folder.as_uri()}/"}},
                "invocations": [
                    {
                        "executionSuccessful": not report.doubts,
                        "exitCode": report.status,
                        "toolExecutionNotifications": notes,
                    }
                ],
                "results": [
                    _result(finding, kinds.index(finding.kind), folder) for finding in results
                ],
                "properties": {
                    "title": report.title,
                    "build": str(report.build),
                    "explored": [str(part) for part in report.explored],
                },
            }
        ],
    }
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _notification(text: str, level: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": text}}


def _result(finding: Finding, rule: int, folder: Path) -> dict[str, Any]:
    said = [finding.message, finding.explanation]
    said += [f"Usual remedy: {finding.mend}"] if finding.mend else []
    said += [f"Again: {finding.replay}"] if finding.replay else []
    placed = [side for side in finding.sides if side.stack]
    locations = [
        _location(side.stack[0], folder, f"{side.thread}: {side.action}") for side in placed
    ]
    result: dict[str, Any] = {
        "ruleId": finding.kind,
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": " ".join(filter(None, said))},
        "locations": locations[:1],
        "relatedLocations": [
            {"id": number, **location} for number, location in enumerate(locations[1:], 1)
        ],
        "partialFingerprints": {"ftstress/v1": finding.fingerprint},
        "occurrenceCount": finding.count,
        "properties": {"subject": finding.subject},
    }
    flows = (
        _steps(finding.table, folder)
        if finding.table is not None
        else [_flow(side, folder) for side in placed]
    )
    if flows:
        result["codeFlows"] = [{"threadFlows": flows}]
    if placed:
        result["stacks"] = [
            {
                "message": {"text": f"{side.thread}: {side.action}"},
                "frames": [{"location": _location(frame, folder)} for frame in side.stack],
            }
            for side in placed
        ]
    if finding.benign:
        in_source = any("ftstress: benign(" in place.code for place in finding.locations)
        result["suppressions"] = [
            {
                "kind": "inSource" if in_source else "external",
                "status": "accepted",
                "justification": finding.benign,
            }
        ]
    return result


def _flow(side: Side, folder: Path) -> dict[str, Any]:
    """How a thread came to its place: where it was started, then the calls, outermost first."""
    steps: list[dict[str, Any]] = []
    if side.started_at is not None:
        text = f"{side.started_by} starts {side.thread}"
        steps.append(
            {
                "location": _location(side.started_at, folder, text),
                "importance": "unimportant",
            }
        )
    for depth, frame in enumerate(reversed(side.stack)):
        is_last = depth == len(side.stack) - 1
        held = f", holding {', '.join(side.locks)}" if side.locks else ""
        text = f"{side.thread}: {side.action}{held}" if is_last else ""
        steps.append(
            {
                "location": _location(frame, folder, text),
                "nestingLevel": depth,
                "importance": "essential" if is_last else "important",
            }
        )
    return {"id": side.thread, "locations": steps}


def _steps(table: ScheduleTable, folder: Path) -> list[dict[str, Any]]:
    flows = []
    for column, thread in enumerate(table.threads):
        steps = [
            {
                "location": _location(row.location, folder, "; ".join([row.text, *row.notes])),
                "executionOrder": order,
                "importance": "essential" if row.switches else "important",
            }
            for order, row in enumerate(table.rows, 1)
            if row.column == column and row.location is not None
        ]
        if steps:
            flows.append({"id": thread, "locations": steps})
    return flows


def _location(place: Location, folder: Path, message: str = "") -> dict[str, Any]:
    path = Path(place.file)
    location: dict[str, Any] = {}
    if path.is_absolute() or path.exists():
        full = path.resolve()
        if full.is_relative_to(folder):
            artifact = {"uri": _quoted(full.relative_to(folder)), "uriBaseId": _ROOT}
        else:
            artifact = {"uri": full.as_uri()}
        physical: dict[str, Any] = {"artifactLocation": artifact}
        if place.line:
            region: dict[str, Any] = {"startLine": place.line}
            if place.column:
                region["startColumn"] = place.column + 1
            if place.code:
                region["snippet"] = {"text": place.code}
            physical["region"] = region
        location["physicalLocation"] = physical
    if place.function:
        location["logicalLocations"] = [{"fullyQualifiedName": place.function, "kind": "function"}]
    if message:
        location["message"] = {"text": message}
    return location


def _quoted(path: Path) -> str:
    """As a relative reference (RFC 3986, section 4.2)."""
    root = Path("/")
    return (root / path).as_uri().removeprefix(f"{root.as_uri()}")
