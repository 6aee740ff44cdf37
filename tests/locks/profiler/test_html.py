"""The HTML report: self-contained, safe with any name, and drawn by a real browser."""

import dataclasses
import html as markup
import json
import re

import pytest
from locks.profiler.browser import needs_browser, rendered
from locks.profiler.contention import contended

from ftlocks.profiler import html


@pytest.fixture(scope="module")
def report():
    return contended("catalogue")[0]


def _data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_asks_for_nothing_else(report):
    page = html.html(report)

    addresses = set(re.findall(r"https?://[^\"' )]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"(?!data:)", page)
    assert "@import" not in page


def test_the_figures_are_those_of_the_report(report):
    data = _data(html.html(report))

    lock = data["locks"][0]
    assert (lock["label"], lock["waiting"]) == ("catalogue", report.waiting_ns)
    assert lock["holders"][0]["stack"][0][0] == "hold_up"
    assert data["blocked"][0][2] == report.locks[0].holders[0].waited_ns
    assert len(data["stretches"]) == sum(len(thread.stretches) for thread in report.threads)


def test_names_cannot_become_markup():
    report, _ = contended("</script><img src=x onerror=alert(1)>")
    page = html.html(report)

    assert "<img" not in page
    assert _data(page)["locks"][0]["label"] == "</script><img src=x onerror=alert(1)>"


def test_what_does_not_fit_is_the_shortest_and_is_told(report, monkeypatch):
    monkeypatch.setattr(html, "STRETCHES", 2)
    data = _data(html.html(report))

    assert len(data["stretches"]) == 2
    assert data["leftOut"] == 1
    everything = [s for thread in report.threads for s in thread.stretches]
    shortest = min(s.end_ns - s.start_ns for s in everything)
    assert shortest not in [stretch[3] for stretch in data["stretches"]]


@needs_browser
@pytest.mark.parametrize("threads", [2, 64])
def test_a_browser_draws_it_without_a_complaint(report, threads, tmp_path):
    late = next(thread for thread in report.threads if thread.name == "late")
    more = [
        dataclasses.replace(late, name=f"worker-{number}", ident=number)
        for number in range(threads - 2)
    ]
    blocked = report.blocked | {(0, number): 1000 * number for number in range(2, threads)}
    report = dataclasses.replace(report, threads=(*report.threads, *more), blocked=blocked)
    path = tmp_path / "locks.html"
    report.write(path)

    page, console = rendered(path, tmp_path / "browser")

    assert console == []
    shown = markup.unescape(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    assert 'data-ready="yes"' in page
    assert "100 % of all waiting" in shown
    assert "while held by hold_up (contention.py:" in shown
    assert len(re.findall(r'<td class="cell"', shown)) >= threads - 1  # the matrix
    assert len(re.findall(r'<rect class="col"', shown)) == 1  # the histogram
    drawn = re.search(r"timeline: (\d+) threads, (\d+) stretches, (\d+) handovers", shown)
    assert int(drawn[1]) == threads
    assert int(drawn[2]) >= threads
    assert int(drawn[3]) == threads - 1
    row = re.search(r'<tbody><tr class="pick on">(.*?)</tr>', shown)[1]
    assert row.startswith("<td>catalogue</td><td>100 %</td>")


@needs_browser
def test_a_browser_shows_an_empty_report(tmp_path):
    report = dataclasses.replace(
        contended()[0], locks=(), threads=(), blocked={}, idle=(), pending=()
    )
    report.write(tmp_path / "empty.html")

    page, console = rendered(tmp_path / "empty.html", tmp_path / "browser")

    assert console == []
    assert "No thread waited for a lock that was profiled." in page
