"""One form for all findings: what makes two the same, and when a report is a pass."""

import dataclasses
import json

import pytest

from ftstress.findings import (
    KINDS,
    Build,
    Explored,
    Finding,
    Location,
    OutcomeRow,
    OutcomeTable,
    Report,
    Side,
    deduplicated,
    joined,
)


def race(line=11, code="self.n += 1", subject="attribute 'n'", file="/a/app.py", kind="data-race"):
    sides = tuple(
        Side(name, "writes it", (Location(file, line, "Hits.add", code),)) for name in ("x", "y")
    )
    return Finding(kind, subject, "both write it", sides, explanation="no lock")


def report(*findings, doubts=(), title="app.py"):
    explored = Explored(title, "detector", 0.5, operations=10, unit="accesses")
    return Report(title, tuple(findings), (explored,), ("it proves nothing",), tuple(doubts))


def test_the_same_mistake_has_the_same_fingerprint_after_an_edit_elsewhere():
    assert race().fingerprint == race(line=40, file="/b/app.py").fingerprint
    others = [race(code="self.m += 1"), race(file="/a/other.py"), race(kind="atomicity")]
    assert len({race().fingerprint, *(other.fingerprint for other in others)}) == 4


def test_which_side_came_first_makes_no_difference():
    first, second = race(code="self.n += 1").sides[0], race(code="return self.n").sides[0]
    found = [Finding("data-race", "n", "", sides) for sides in ((first, second), (second, first))]
    assert found[0].fingerprint == found[1].fingerprint


def test_without_a_place_the_subject_tells_findings_apart():
    found = [Finding("forbidden-outcome", subject, "") for subject in ("a", "b", "a")]
    assert [each.count for each in deduplicated(found)] == [2, 1]


def test_a_kind_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="'race' is none of data-race"):
        Finding("race", "x", "y")
    assert all(meaning.endswith(".") for _, meaning in KINDS.values())


def test_status_is_for_ci():
    assert report().status == 0
    assert report(race()).status == 1
    assert report(doubts=["the GIL was on"]).status == 2
    assert report(race(), doubts=["the GIL was on"]).status == 1


def test_a_report_must_say_what_a_pass_does_not_mean():
    with pytest.raises(ValueError, match="not_proved"):
        dataclasses.replace(report(), not_proved=())


def test_reports_are_joined_and_their_findings_counted_once():
    both = joined("all", [report(race()), report(race(line=9), doubts=["late"], title="b")])
    (found,) = both.findings
    assert found.count == 2
    assert both.doubts == ("late",)
    assert both.not_proved == ("it proves nothing",)
    assert [part.what for part in both.explored] == ["app.py", "b"]
    assert both.seconds == 1.0
    with pytest.raises(ValueError, match="no reports"):
        joined("none", [])


def test_all_of_it_can_be_written_as_json():
    table = OutcomeTable("reads", (OutcomeRow("1, 0", "forbidden", "never", 3, 0),))
    made = dataclasses.replace(report(race()), outcomes=(table,))
    data = json.loads(json.dumps(made.data()))
    assert data["status"] == 1
    assert data["findings"][0]["fingerprint"] == race().fingerprint
    assert data["findings"][0]["sides"][0]["stack"][0]["line"] == 11
    assert data["outcomes"][0]["rows"][0]["twin_count"] == 0
    assert data["build"]["version"] == Build.this().version
    assert (table.total, table.twin_total) == (3, 0)
    assert OutcomeTable("alone", (OutcomeRow("1", "acceptable", "", 3),)).twin_total is None


def test_a_location_reads_its_line():
    here = Location.at(__file__, 1, "f")
    assert here.code.startswith('"""One form for all findings')
    assert str(here) == f"{__file__}:1 in f"
    assert str(Location("queue", 0)) == "queue"
