"""The report as text and JSON."""

import json

from ftbridge.compare.text import render, rows, to_json
from ftbridge.compare.verdict import judge


def test_the_report(make):
    found = make()
    text = render(found, judge(found))
    assert text.startswith(
        "pkg.mod:Adapter: CPython 3.13.5 free-threaded and CPython 3.13.5 with the GIL, 3 rounds "
        'in turn of 0.5 s each\na pass: work {"n": 1}\n\nYes: '
    )
    bars = [line for line in text.splitlines() if "#" in line]
    assert [line.split("  ")[1] for line in bars] == [label for label, *_ in rows(found)]
    assert max(line.count("#") for line in bars) == 40
    assert bars[-1].endswith("171 (171 to 171)")
    assert text.isascii()


def test_of_many_samples_the_first_are_told(make):
    found = make(samples=tuple("abcde"))
    assert "\na pass: a; b; c; and 2 more\n" in render(found, judge(found))


def test_json_has_figures_and_words(make):
    found = make()
    told = json.loads(to_json(found, judge(found)))
    assert told["verdict"]["answer"].startswith("Yes: ")
    assert told["gain"]["median"] == 1.71
