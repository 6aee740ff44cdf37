"""Tests of ``tools.bench_lib``'s reports: terminal, JSON, HTML page and docs say the same."""

import json
from html.parser import HTMLParser

import pytest

from tools.bench_lib import markdown, page, svg
from tools.bench_lib.options import BENCHMARKS, completed, parser
from tools.bench_lib.report import Aim, Plot, Run, Section, Table
from tools.bench_lib.spread import Spread

SPREAD = Spread(2.0, 1.5, 2.5)
SECTION = Section(
    name="rpc",
    title="Calls <of> a kind",
    command="./tools/bench rpc --rounds 2",
    notes=("a note",),
    tables=[
        Table(title="small", columns=("server", "calls/s"), rows=[("ours", "9"), ("a & b", "1")])
    ],
    plots=[
        Plot(
            title="rates",
            unit="times",
            categories=("one", "two"),
            series={"ours": [SPREAD, SPREAD], "theirs": [SPREAD, None]},
            limit=1.0,
        ),
        Plot(title="cores", unit="x", categories=("1", "2"), series={"a": [SPREAD, SPREAD]},
             kind="lines", limit=2.0),
    ],
    aims=[Aim(measure="speed", value=SPREAD, aim=1.8), Aim(measure="late", value=SPREAD, aim=1.0,
          at_most=True)],
    data={"rates": [1, 2]},
)  # fmt: skip
RUN = Run(
    command="./tools/bench all",
    date="2026-01-02 03:04 UTC",
    machine={"cpu": "Fast One"},
    heading=["machine  Fast One"],
    control=["control  1.9"],
    seconds=120.0,
    sections=[SECTION],
)


def test_an_aim_may_be_a_limit_or_not_be_judged() -> None:
    assert [aim.verdict for aim in RUN.aims()] == ["reached", "missed"]
    assert Aim(measure="m", value=SPREAD, aim=9, parallel=False).verdict == "not judged"


def test_a_run_comes_back_from_json_whole() -> None:
    again = Run.from_json(json.loads(json.dumps(RUN.as_json())))
    assert again.as_json() == RUN.as_json()
    assert markdown.page(again) == markdown.page(RUN)
    assert page.page(again) == page.page(RUN)


def test_the_terminal_has_every_row_and_aim() -> None:
    text = "\n".join(SECTION.lines())
    for part in ("a note", "small", "a & b", "speed", "at most 1", "missed"):
        assert part in text
    rows = [line for line in SECTION.lines() if line.startswith(("server", "ours", "a & b"))]
    assert len({len(row) for row in rows}) == 1


def test_the_docs_say_what_ran_on_what_and_how_to_run_it_again() -> None:
    text = markdown.page(RUN)
    for part in (
        markdown.COMMAND,
        "machine  Fast One",
        "control  1.9",
        "`./tools/bench rpc --rounds 2`",
        "| ours | 9 |",
        "| speed | 2.00 (1.50..2.50) | at least 1.8 | reached |",
    ):
        assert part in text


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    text = page.page(RUN)
    read = _Page()
    read.feed(text)
    assert read.open == []
    assert read.links == []
    assert read.tags.count("svg") == 2
    assert "Calls &lt;of&gt; a kind" in text
    assert "a &amp; b" in text
    assert 'class="missed"' in text


def test_a_series_has_a_bar_wherever_it_has_a_figure() -> None:
    drawn = svg.draw(SECTION.plots[0])
    assert drawn.count('height="13"') == 3  # bars; the legend's squares are 12 high
    assert drawn.count('class="limit"') == 1


def test_a_plot_without_figures_is_drawn() -> None:
    empty = Plot(title="t", unit="u", categories=("a",), series={"x": [None]})
    assert "<svg" in svg.draw(empty)


@pytest.mark.parametrize(
    ("top", "marks"),
    [(0, [0, 1]), (0.9, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (37, [0, 10, 20, 30, 40])],
)
def test_ticks_are_round_and_reach_the_top(top: float, marks: list[float]) -> None:
    assert svg.ticks(top) == pytest.approx(marks)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_defaults_and_a_quick_form(name: str) -> None:
    plain = completed(parser().parse_args([name]), name)
    quick = completed(parser().parse_args([name, "--quick"]), name)
    assert plain.rounds >= 2 > quick.rounds
    assert quick.seconds <= plain.seconds
    given = completed(parser().parse_args([name, "--quick", "--rounds", "7"]), name)
    assert given.rounds == 7


def test_all_takes_the_defaults_of_each() -> None:
    options = parser().parse_args(["all", "--skip", "rpc"])
    assert completed(options, "memory").launches == 16
    assert completed(options, "tools").threads == 8


@pytest.mark.parametrize("arguments", [["rpc", "--rounds", "0"], ["rpc", "--seconds", "0"], ["no"]])
def test_a_wrong_option_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(arguments)
    assert "error" in capsys.readouterr().err
