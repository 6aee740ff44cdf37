"""The JSON format has everything."""

import json

from stress.reports.examples import full

from ftstress.reports import render


def test_nothing_of_the_report_is_missing():
    report = full()
    data = json.loads(render(report, "json"))
    assert data["status"] == 1
    assert [f["fingerprint"] for f in data["findings"]] == [f.fingerprint for f in report.findings]
    assert data["findings"][1]["replay"] == "python -m ftstress replay abba.json"
    assert json.loads(data["findings"][1]["schedule"])["kind"] == "ftstress schedule"
    assert data["not_proved"] == list(report.not_proved)
    assert data["explored"][1]["seeds"] == [1, 2]
    assert data["build"]["version"] == report.build.version
