"""JUnit XML: a case for each part, finding, benign finding and doubt."""

from xml.etree import ElementTree

import pytest
from stress.reports.examples import clean, full

from ftstress.reports import render


@pytest.fixture(scope="module")
def suite():
    root = ElementTree.fromstring(render(full(), "junit"))
    assert root.tag == "testsuites"
    (suite,) = root
    return suite


def test_the_counts_are_those_of_the_cases(suite):
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases) == 7
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.get(attribute)) == sum(case.find(tag) is not None for case in cases)


def test_a_finding_is_a_failed_case_with_its_place(suite):
    (case,) = [c for c in suite.findall("testcase") if c.get("name").startswith("Data race: attr")]
    assert case.get("file").endswith("examples.py")
    assert case.get("line") == "10"
    assert case.find("failure").get("type") == "data-race"
    assert "Usual remedy" in case.find("failure").text


def test_what_is_no_pass_is_an_error_and_what_is_benign_is_skipped(suite):
    assert [e.get("message") for e in suite.iter("error")] == ["the GIL was on"]
    assert [e.get("message") for e in suite.iter("skipped")] == ["benign: an estimate"]


def test_characters_that_xml_cannot_hold_are_replaced(suite):
    (message,) = [f.get("message") for f in suite.iter("failure") if "came 3" in f.get("message")]
    assert "came 3 times \N{REPLACEMENT CHARACTER} </script>" in message


def test_a_pass_says_what_it_does_not_mean():
    root = ElementTree.fromstring(render(clean(), "junit"))
    assert root.get("failures") == root.get("errors") == "0"
    assert "What a pass does not mean" in root.find("testsuite/system-out").text
