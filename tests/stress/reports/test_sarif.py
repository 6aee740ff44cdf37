"""SARIF 2.1.0, held to the rules of its published schema for the objects that are used here.

Every object of the schema forbids further properties; the table below has, for each, the ones that
this format uses with what they hold, and which are required.
"""

import dataclasses
import json
from urllib.parse import unquote, urlsplit

import pytest
from stress.reports.examples import clean, full, race

from ftstress.findings import KINDS, Location, Side
from ftstress.reports import render

LEVELS = {"none", "note", "warning", "error"}
TEXT = {"text!": str, "markdown": str}
LOCATION = {
    "id": int,
    "physicalLocation": "physicalLocation",
    "logicalLocations": ["logicalLocation"],
    "message": "message",
    "properties": dict,
}
SCHEMA = {
    "sarifLog": {"$schema": str, "version!": {"2.1.0"}, "runs!": ["run"]},
    "run": {
        "tool!": "tool",
        "columnKind": {"utf16CodeUnits", "unicodeCodePoints"},
        "originalUriBaseIds": {"*": "artifactLocation"},
        "invocations": ["invocation"],
        "results": ["result"],
        "properties": dict,
    },
    "tool": {"driver!": "toolComponent"},
    "toolComponent": {"name!": str, "version": str, "rules": ["reportingDescriptor"]},
    "reportingDescriptor": {
        "id!": str,
        "name": str,
        "shortDescription": "multiformatMessageString",
        "fullDescription": "multiformatMessageString",
        "defaultConfiguration": "reportingConfiguration",
        "properties": dict,
    },
    "reportingConfiguration": {"level": LEVELS},
    "multiformatMessageString": TEXT,
    "message": TEXT,
    "invocation": {
        "executionSuccessful!": bool,
        "exitCode": int,
        "toolExecutionNotifications": ["notification"],
    },
    "notification": {"message!": "message", "level": LEVELS},
    "result": {
        "ruleId": str,
        "ruleIndex": int,
        "level": LEVELS,
        "message!": "message",
        "locations": ["location"],
        "relatedLocations": ["location"],
        "partialFingerprints": {"*": str},
        "occurrenceCount": int,
        "codeFlows": ["codeFlow"],
        "stacks": ["stack"],
        "suppressions": ["suppression"],
        "properties": dict,
    },
    "location": LOCATION,
    "physicalLocation": {"artifactLocation": "artifactLocation", "region": "region"},
    "artifactLocation": {"uri": str, "uriBaseId": str},
    "region": {"startLine": int, "startColumn": int, "snippet": "artifactContent"},
    "artifactContent": {"text": str},
    "logicalLocation": {"fullyQualifiedName": str, "kind": str},
    "codeFlow": {"threadFlows!": ["threadFlow"]},
    "threadFlow": {"id": str, "locations!": ["threadFlowLocation"]},
    "threadFlowLocation": {
        "location": "location",
        "importance": {"important", "essential", "unimportant"},
        "executionOrder": int,
        "nestingLevel": int,
    },
    "stack": {"frames!": ["stackFrame"], "message": "message"},
    "stackFrame": {"location": "location"},
    "suppression": {
        "kind!": {"inSource", "external"},
        "status": {"accepted", "underReview", "rejected"},
        "justification": str,
    },
}


def check(value, rule, path="log"):
    if isinstance(rule, str):
        check_object(value, rule, path)
    elif isinstance(rule, list):
        assert isinstance(value, list), path
        for index, item in enumerate(value):
            check(item, rule[0], f"{path}[{index}]")
    elif isinstance(rule, set):
        assert value in rule, path
    elif isinstance(rule, dict):
        for key, item in value.items():
            check(item, rule["*"], f"{path}.{key}")
    else:
        assert type(value) is rule, f"{path}: {value!r}"
        if rule is int and path.rpartition(".")[2] in {"startLine", "startColumn"}:
            assert value >= 1, path


def check_object(value, name, path):
    rules = SCHEMA[name]
    known = {key.removesuffix("!"): rule for key, rule in rules.items()}
    assert isinstance(value, dict), path
    assert value.keys() <= known.keys(), f"{path}: {sorted(value.keys() - known.keys())}"
    missing = {key[:-1] for key in rules if key.endswith("!")} - value.keys()
    assert not missing, f"{path} lacks {missing}"
    if name in ("codeFlow", "threadFlow"):
        assert all(value[key] for key in ("threadFlows", "locations") if key in value), path
    for key, item in value.items():
        check(item, known[key], f"{path}.{key}")


@pytest.mark.parametrize("report", [full, clean], ids=["full", "clean"])
def test_it_keeps_the_rules_of_the_schema(report):
    check(json.loads(render(report(), "sarif")), "sarifLog")


def results(*findings):
    log = json.loads(render(dataclasses.replace(full(), findings=findings, benign=()), "sarif"))
    return log["runs"][0]["results"]


def test_a_race_has_both_threads_and_how_they_came_there():
    (result,) = results(race())
    first, second = result["codeFlows"][0]["threadFlows"]
    assert (first["id"], second["id"]) == ("writer", "reader")
    kinds = [step["importance"] for step in first["locations"]]
    assert kinds == ["unimportant", "important", "essential"]
    lines = [s["location"]["physicalLocation"]["region"]["startLine"] for s in first["locations"]]
    assert lines == [7, 11, 10]
    assert "holding Lock made at app.py:3" in second["locations"][-1]["location"]["message"]["text"]
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"]["region"]["startLine"] == 13
    assert result["occurrenceCount"] == 3
    assert result["partialFingerprints"] == {"ftstress/v1": race().fingerprint}


def test_a_schedule_has_its_steps_in_their_order():
    report = full()
    (result,) = results(report.findings[1])
    flows = result["codeFlows"][0]["threadFlows"]
    orders = sorted(step["executionOrder"] for flow in flows for step in flow["locations"])
    rows = report.findings[1].table.rows
    assert orders == [n for n, row in enumerate(rows, 1) if row.location is not None]
    assert len(flows) == 3


def test_what_is_benign_is_suppressed_with_its_reason():
    log = json.loads(render(full(), "sarif"))
    (result,) = [r for r in log["runs"][0]["results"] if "suppressions" in r]
    assert result["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "an estimate"}
    ]
    commented = Location("a.py", 3, "f", "n += 1  # ftstress: benign(x)")
    (result,) = results(race(benign="x", sides=(Side("t", "writes it", (commented,)),)))
    assert result["suppressions"][0]["kind"] == "inSource"


def test_a_run_that_proves_nothing_did_not_succeed():
    (run,) = json.loads(render(full(), "sarif"))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    texts = [(n["level"], n["message"]["text"]) for n in invocation["toolExecutionNotifications"]]
    assert texts[0] == ("error", "the GIL was on")
    assert all(level == "note" and "does not mean" in text for level, text in texts[1:])
    assert len(texts) == 3
    (run,) = json.loads(render(clean(), "sarif"))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is True


def test_files_in_the_present_folder_are_relative_and_others_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = tmp_path / "my app.py"
    inside.write_text("x = 1\n", "utf-8")
    sides = tuple(
        Side("t", "reads it", (Location.at(str(path), 1),)) for path in (inside, "/usr/é.py")
    )
    (result,) = results(race(sides=sides))
    near = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert near == {"uri": "my%20app.py", "uriBaseId": "SRCROOT"}
    far = result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]
    assert unquote(urlsplit(far["uri"]).path) == "/usr/é.py"
    assert "uriBaseId" not in far


def test_every_rule_is_described():
    (run,) = json.loads(render(full(), "sarif"))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} <= KINDS.keys()
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
