"""A report as JUnit XML, which every CI system shows.

One test case for each thing that was looked at, one for each finding (failed), for each benign one
(skipped) and for each reason why the run is no pass (in error). The attributes are those that the
common readers agree on; there is no binding schema.
"""

import re
from typing import Final
from xml.etree import ElementTree as Xml

from ftstress.findings import Finding, Report
from ftstress.reports.text import finding_text

# What XML 1.0 (section 2.2) cannot hold, not even as a reference.
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """The XML document."""
    attributes = {
        "tests": len(report.explored)
        + len(report.findings)
        + len(report.benign)
        + len(report.doubts),
        "failures": len(report.findings),
        "errors": len(report.doubts),
        "skipped": len(report.benign),
        "time": f"{report.seconds:.3f}",
    }
    root = _element(None, "testsuites", name="ftstress", **attributes)
    suite = _element(root, "testsuite", name=report.title, **attributes)
    properties = _element(suite, "properties")
    _element(properties, "property", name="build", value=report.build)
    for part in report.explored:
        case = _case(suite, report, part.what, part.seconds)
        _text(_element(case, "system-out"), str(part))
    for finding in report.findings:
        case = _case(suite, report, finding.title, 0.0, finding)
        failure = _element(case, "failure", type=finding.kind, message=finding.message)
        _text(failure, finding_text(finding))
    for finding in report.benign:
        case = _case(suite, report, finding.title, 0.0, finding)
        _element(case, "skipped", message=f"benign: {finding.benign}")
    for doubt in report.doubts:
        case = _case(suite, report, f"no pass: {doubt}", 0.0)
        _element(case, "error", type="no-pass", message=doubt)
    _text(
        _element(suite, "system-out"),
        "What a pass does not mean: " + " ".join(report.not_proved),
    )
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _case(
    suite: Xml.Element, report: Report, name: str, seconds: float, finding: Finding | None = None
) -> Xml.Element:
    places = finding.locations if finding is not None else ()
    at = {"file": places[0].file, "line": places[0].line} if places else {}
    return _element(
        suite, "testcase", classname=report.title, name=name, time=f"{seconds:.3f}", **at
    )


def _element(parent: Xml.Element | None, tag: str, **attributes: object) -> Xml.Element:
    clean = {name: _clean(str(value)) for name, value in attributes.items()}
    if parent is None:
        return Xml.Element(tag, clean)
    return Xml.SubElement(parent, tag, clean)


def _text(element: Xml.Element, text: str) -> None:
    element.text = _clean(text)


def _clean(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
