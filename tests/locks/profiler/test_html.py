"""The HTML report: self-contained, safe with any name, and drawn by a real browser."""

import dataclasses
import html as markup
import json
import re

import pytest
from locks.profiler.browser import needs_browser, rendered
from locks.profiler.contention import contended

from ftlocks import WhatIf
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


def _tried(**changes):
    return WhatIf(
        **{
            "lock": "catalogue",
            "kind": "hold",
            "asked_ns": 50_000,
            "matched": ("catalogue",),
            "unit": "orders",
            "acquisitions": 900,
            "pairs": 12,
            "dropped": 1,
            "window_ns": 20_000_000,
            "injected_ns": 50_000,
            "per_unit": 1.0,
            "rate": 10_000.0,
            "rate_injected": 6_000.0,
            "loss": 0.4,
            "loss_low": 0.35,
            "loss_high": 0.45,
            **changes,
        }
    )


@needs_browser
def test_what_came_of_slowing_locks_down_is_drawn(report, tmp_path):
    slowed = dataclasses.replace(
        report,
        what_if=(
            _tried(),
            _tried(lock="stock", loss=0.01, loss_low=-0.02, loss_high=0.03),
            _tried(lock="<b>ledgr</b>", matched=()),
        ),
    )
    path = tmp_path / "report.html"
    slowed.write(path)
    dom, console = rendered(path, tmp_path / "profile")

    assert console == []
    rows = re.findall(r'<tr data-verdict="([^"]*)">(.*?)</tr>', dom)
    assert [verdict for verdict, _ in rows] == ["lost", "cannot tell", "unknown lock"]
    texts = [markup.unescape(re.sub(r"<[^>]+>", " ", row)) for _, row in rows]
    assert "0.80% of the orders lost per us, 80 a second" in texts[0]
    assert "of each us, 1.33 us more passed from one to the next" in texts[0]
    assert "10,000 6,000 40 %" in re.sub(r"\s+", " ", texts[0])
    assert "cannot be told from no loss at all; at most 0.06% of the orders per us" in texts[1]
    assert "<b>ledgr</b>" in texts[2]
    assert "no lock of this name was made" in texts[2]
    # A bar and the line of its interval where there is one; nothing where nothing is known.
    assert [row.count("<rect") for _, row in rows] == [1, 1, 0]
    assert [row.count('class="whisker"') for _, row in rows] == [1, 1, 0]


@needs_browser
def test_without_it_there_is_no_such_part(report, tmp_path):
    path = tmp_path / "report.html"
    report.write(path)
    dom, _ = rendered(path, tmp_path / "profile")

    assert re.search(r'<section class="card" id="what-if-card" hidden', dom)
