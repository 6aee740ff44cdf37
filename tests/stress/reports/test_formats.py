"""Which formats there are, and what a file's name says of them."""

from pathlib import Path

import pytest
from stress.reports.examples import full

from ftstress import reports


def test_every_format_makes_a_text():
    report = full()
    assert all(reports.render(report, form).strip() for form in reports.FORMATS)
    with pytest.raises(ValueError, match="format 'pdf' is none of text, json, sarif"):
        reports.render(report, "pdf")


def test_the_suffix_tells_the_format():
    names = {"a.json": "json", "a.sarif": "sarif", "junit.xml": "junit", "r.html": "html"}
    assert {name: reports.format_of(Path(name)) for name in names} == names
    with pytest.raises(ValueError, match=r"'report\.pdf' does not tell the format"):
        reports.format_of(Path("report.pdf"))
