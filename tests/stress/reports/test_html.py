"""The HTML report: self-contained, safe with any text, and drawn by a real browser."""

import html as markup
import json
import re

from locks.profiler.browser import needs_browser, rendered
from stress.reports.examples import NASTY, clean, full

from ftstress.reports import html, render


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_asks_for_nothing_else():
    page = re.sub(r'id="data">.*?</script>', "", render(full(), "html"), flags=re.DOTALL)
    addresses = set(re.findall(r"https?://[^\"' )]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"(?!data:)", page)
    assert "@import" not in page


def test_texts_cannot_become_markup():
    page = render(full(), "html")
    assert "<img" not in page
    assert data_of(page)["title"] == f"suite {NASTY}"


def test_the_source_around_a_place_is_in_the_page():
    frames = data_of(render(full(), "html"))["frames"]
    (lines,) = [lines for place, lines in frames.items() if place.endswith("examples.py:10")]
    assert [number for number, _ in lines] == list(range(7, 14))


def test_what_does_not_fit_is_told(monkeypatch):
    monkeypatch.setattr(html, "FINDINGS", 2)
    data = data_of(render(full(), "html"))
    assert (len(data["findings"]), len(data["benign"]), data["leftOut"]) == (2, 0, 2)


@needs_browser
def test_a_browser_draws_it_without_a_complaint(tmp_path):
    report = full()
    path = tmp_path / "report.html"
    path.write_text(render(report, "html"), "utf-8")

    page, console = rendered(path, tmp_path / "browser")

    assert console == []
    assert 'data-ready="yes"' in page
    assert "<img" not in page
    body = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    shown = markup.unescape(re.sub(r"<[^>]+>", "", body))
    assert "1 data race, 1 deadlock, 1 forbidden outcome" in shown
    assert "No pass: the GIL was on" in shown
    # The race: two code frames with the line in question marked, for each of two races.
    assert len(re.findall(r'<span class="hit"><i>1[03]</i>', body)) == 4
    assert "locks heldLock made at app.py:3" in shown
    # The schedule: a column a thread, and its switch marked.
    table = report.findings[1].table
    (drawn,) = re.findall(r'<table class="schedule">(.*?)</table>', body, re.DOTALL)
    assert len(re.findall("<th", drawn)) == len(table.threads) + 2  # with thead and the corner
    assert len(re.findall("<tr", drawn)) == len(table.rows) + 1
    assert drawn.count('<td class="turn">') == sum(row.switches for row in table.rows) >= 1
    assert table.ending.splitlines()[0] in shown
    # Outcomes: a bar a build and outcome; the rare one is not invisible, the impossible one is.
    widths = [float(w) for w in re.findall(r'class="frequency"[^>]* width="([\d.]+)"', body)]
    assert len(widths) == 4
    assert widths[3] == 0 < widths[2] < widths[0]
    assert "with the GIL never" in shown or "free-threaded never" in shown
    assert len(re.findall(r'<rect class="median"', body)) == 2
    assert shown.rstrip().endswith("Nor about schedules that were not run.")


@needs_browser
def test_a_browser_shows_a_pass(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render(clean(), "html"), "utf-8")

    page, console = rendered(path, tmp_path / "browser")

    assert console == []
    assert 'class="verdict passes"' in page
    assert "What a pass does not mean" in page
